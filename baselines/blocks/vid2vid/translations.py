"""A volume moved by each keypoint, and the keypoints as blobs: what dense motion chooses from.

Every candidate is a translation of the whole volume, so trilinear sampling is one small matrix per axis (64 x 64 and
16 x 16 as published) instead of eight look-ups per voxel, and a gaussian is the product of three lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

VARIANCE = 0.01


@dataclass(frozen=True)
class Axis:
    """Along one axis of n voxels: weights of sampling (B, K + 1, n, n), the identity first; blobs (B, K, n) of both."""

    weights: Tensor
    driving: Tensor
    source: Tensor


def line(count: int, like: Tensor) -> Tensor:
    """Positions of the voxels, -1 and 1 at the centres of the outer ones as the published weights were trained."""
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)


def axis(count: int, driving: Tensor, source: Tensor, align_corners: bool) -> Axis:
    """`driving`, `source` (B, K): coordinates of the keypoints along this axis.

    Positions and voxel numbers are rounded as `grid_sample` rounds them.
    """
    positions = line(count, driving)
    away = positions - driving[..., None]  # (B, K, n)
    moved = torch.cat([positions.expand(len(away), 1, -1), away + source[..., None]], dim=1)
    index = (moved + 1) / 2 * (count - 1) if align_corners else ((moved + 1) * count - 1) / 2
    voxels = torch.arange(count, device=index.device, dtype=index.dtype)
    weights = F.relu(1 - (index[..., None] - voxels).abs())  # nothing outside
    return Axis(weights, _blob(away), _blob(positions - source[..., None]))


def candidates(volume: Tensor, kp_driving: Tensor, kp_source: Tensor, align_corners: bool) -> Tensor:
    """Volume (1 or B, C, D, H, W), keypoints (B, K, 3) as x, y, z -> (B, (K + 1)(1 + C), D, H, W).

    The first channel of each: blobs of the driving keypoints less those of the source, zero for the identity. The
    others: the volume as the motion of each keypoint brings it to the driving frame.
    """
    kp_source = kp_source.expand_as(kp_driving)
    z, y, x = (
        axis(count, kp_driving[..., i], kp_source[..., i], align_corners)
        for count, i in zip(volume.shape[2:], (2, 1, 0), strict=True)
    )
    moved = torch.einsum("bkad,bcdhw->bkcahw", z.weights, volume.expand(len(kp_driving), -1, -1, -1, -1))
    moved = y.weights[:, :, None, None] @ moved
    moved = moved @ x.weights[:, :, None, None].mT
    heat = _outer(z.driving, y.driving, x.driving) - _outer(z.source, y.source, x.source)
    heat = F.pad(heat, (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat([heat[:, :, None], moved], dim=2).flatten(1, 2)


def _blob(away: Tensor) -> Tensor:
    return torch.exp(-0.5 / VARIANCE * away.square())


def _outer(z: Tensor, y: Tensor, x: Tensor) -> Tensor:
    return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]
