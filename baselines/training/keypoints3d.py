"""Priors of keypoints in 3-D (face-vid2vid, Wang et al., CVPR 2021, appendix)."""

from __future__ import annotations

from torch import Tensor

NEAREST = 0.1  # squared distance below which two keypoints repel each other
DEPTH = 0.33  # mean depth of the keypoints


def keypoint_prior(points: Tensor) -> Tensor:
    """Keypoints (B, K, 3) spread out, at a mean depth: hinge on squared distances of pairs, distance of the depth."""
    distance = (points[:, :, None] - points[:, None]).square().sum(-1)  # (B, K, K)
    crowded = (NEAREST - distance).clamp(min=0).sum((1, 2)) - NEAREST * points.shape[1]  # but each to itself
    return (crowded + (points[..., 2].mean(1) - DEPTH).abs()).mean()
