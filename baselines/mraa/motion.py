"""Pixel-wise flow from regions (MRAA, section 3.3): the background's motion and one affine motion per region, mixed."""

from __future__ import annotations

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks.conv import AntiAlias
from baselines.blocks.grids import grid, transform, warp_each
from baselines.blocks.hourglass import Hourglass
from baselines.mraa.config import MRAAConfig
from baselines.mraa.regions import Regions


class Flow(TypedDict):
    """`optical_flow` (B, h, w, 2): where in the source each position of the driving frame is found. `occlusion_map`
    (B, 1, h, w) in [0, 1]: 0 where nothing of the source is to be seen.
    """

    optical_flow: Tensor
    occlusion_map: Tensor


class PixelwiseFlowPredictor(nn.Module):
    """Source (B, 3, H, W), regions of both frames and the motion of the background -> Flow."""

    def __init__(self, config: MRAAConfig):
        super().__init__()
        self.sampling = config.sampling
        self.revert_axis_swap = config.revert_axis_swap
        self.down = AntiAlias(config.channels, config.scale_factor)
        motions = config.regions + 1
        self.hourglass = Hourglass(
            config.motion_base, motions * (config.channels + 1), config.hourglass_blocks, config.hourglass_most
        )
        self.mask = nn.Conv2d(self.hourglass.out_channels, motions, config.kernel, padding=config.kernel // 2)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels, 1, config.kernel, padding=config.kernel // 2)

    def forward(self, source: Tensor, driving: Regions, origin: Regions, background: Tensor | None = None) -> Flow:
        return self.from_small(self.down(source), driving, origin, background)

    def from_small(self, small: Tensor, driving: Regions, origin: Regions, background: Tensor | None = None) -> Flow:
        """`small` (1 or B, 3, h, w): the source after `down`; `origin`: its regions, 1 or B of them."""
        size = (small.shape[2], small.shape[3])
        motions = self.sparse_motions(driving, origin, background, size)  # (B, K + 1, h, w, 2)
        deformed = warp_each(small, motions, self.sampling)  # (B, K + 1, 3, h, w)
        heatmap = F.pad(region_heatmap(driving, size) - region_heatmap(origin, size), (0, 0, 0, 0, 1, 0))
        features = self.hourglass(torch.cat([heatmap[:, :, None], deformed], dim=2).flatten(1, 2))
        mask = F.softmax(self.mask(features), dim=1)
        flow = (mask[..., None] * motions).sum(dim=1)
        return {"optical_flow": flow, "occlusion_map": torch.sigmoid(self.occlusion(features))}

    def sparse_motions(
        self, driving: Regions, origin: Regions, background: Tensor | None, size: tuple[int, int]
    ) -> Tensor:
        """(B, K + 1, h, w, 2): the background's motion, then A_s A_d^-1 (z - shift_d) + shift_s for every region."""
        positions = grid(*size, driving["shift"])
        affine = origin["affine"] @ torch.linalg.inv(driving["affine"])  # (B, K, 2, 2)
        if self.revert_axis_swap:
            affine = affine * torch.sign(affine[..., :1, :1])
        offsets = positions - driving["shift"][:, :, None, None]  # (B, K, h, w, 2)
        moved = (affine[:, :, None, None] @ offsets[..., None]).squeeze(-1) + origin["shift"][:, :, None, None]
        still = positions.expand(len(moved), -1, -1, -1)
        if background is not None:
            still = transform(background, positions)
        return torch.cat([still[:, None], moved], dim=1)


def region_heatmap(regions: Regions, size: tuple[int, int]) -> Tensor:
    """Unnormalised gaussians with the regions' centres and covariances: (B, K, height, width)."""
    offsets = grid(*size, regions["shift"]) - regions["shift"][:, :, None, None]  # (B, K, h, w, 2)
    inverse = torch.linalg.inv(regions["covar"])
    distance = torch.einsum("bkhwi,bkij,bkhwj->bkhw", offsets, inverse, offsets)
    return torch.exp(-0.5 * distance)
