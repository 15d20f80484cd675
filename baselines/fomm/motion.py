"""Dense motion from keypoints (FOMM, section 3.2): one affine motion per keypoint, mixed by predicted masks."""

from __future__ import annotations

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks.conv import AntiAlias
from baselines.blocks.grids import gaussian, grid, warp_each
from baselines.blocks.hourglass import Hourglass
from baselines.fomm.config import FOMMConfig
from baselines.fomm.keypoints import Keypoints


class Motion(TypedDict, total=False):
    """h x w: size of the source times `scale_factor`. K + 1: the background, which stands still, then the keypoints.

    `deformation` (B, h, w, 2): where in the source each position of the driving frame is found. `mask` (B, K + 1, h, w)
    sums to one. `sparse_deformed` (B, K + 1, 3, h, w): the source moved by each motion. `occlusion_map` (B, 1, h, w) in
    [0, 1]: 0 where nothing of the source is to be seen.
    """

    deformation: Tensor
    mask: Tensor
    sparse_deformed: Tensor
    occlusion_map: Tensor


class DenseMotionNetwork(nn.Module):
    """Source (B, 3, H, W) and keypoints of both frames -> Motion."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.sampling = config.sampling
        self.kp_variance = config.kp_variance
        self.down = AntiAlias(config.channels, config.scale_factor)
        motions = config.keypoints + 1
        self.hourglass = Hourglass(
            config.motion_base, motions * (config.channels + 1), config.hourglass_blocks, config.hourglass_most
        )
        features, kernel = self.hourglass.out_channels, config.kernel
        self.mask = nn.Conv2d(features, motions, kernel, padding=kernel // 2)
        self.occlusion = nn.Conv2d(features, 1, kernel, padding=kernel // 2) if config.occlusion else None

    def forward(self, source: Tensor, driving: Keypoints, origin: Keypoints) -> Motion:
        return self.from_small(self.down(source), driving, origin)

    def from_small(self, small: Tensor, driving: Keypoints, origin: Keypoints) -> Motion:
        """`small` (1 or B, 3, h, w): the source after `down`; `origin`: its keypoints, 1 or B of them."""
        size = (small.shape[2], small.shape[3])
        motions = sparse_motions(driving, origin, size)  # (B, K + 1, h, w, 2)
        deformed = warp_each(small, motions, self.sampling)
        heatmap = gaussian(driving["value"], size, self.kp_variance) - gaussian(origin["value"], size, self.kp_variance)
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 1, 0))  # (B, K + 1, h, w): zeros for the background
        features = self.hourglass(torch.cat([heatmap[:, :, None], deformed], dim=2).flatten(1, 2))
        mask = F.softmax(self.mask(features), dim=1)
        motion: Motion = {
            "deformation": (mask[..., None] * motions).sum(dim=1),
            "mask": mask,
            "sparse_deformed": deformed,
        }
        if self.occlusion is not None:
            motion["occlusion_map"] = torch.sigmoid(self.occlusion(features))
        return motion


def sparse_motions(driving: Keypoints, origin: Keypoints, size: tuple[int, int]) -> Tensor:
    """(B, K + 1, h, w, 2): the identity, then J_s J_d^-1 (z - kp_d) + kp_s for every keypoint (equation 4)."""
    identity = grid(*size, driving["value"])
    offsets = identity - driving["value"][:, :, None, None]  # (B, K, h, w, 2)
    if "jacobian" in driving:
        affine = origin["jacobian"] @ torch.linalg.inv(driving["jacobian"])  # (B, K, 2, 2)
        offsets = (affine[:, :, None, None] @ offsets[..., None]).squeeze(-1)
    moved = offsets + origin["value"][:, :, None, None]
    return torch.cat([identity.expand(len(moved), 1, -1, -1, -1), moved], dim=1)
