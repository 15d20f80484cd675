"""Optical flow and occlusion at several resolutions from splines and background (TPSMM, section 3.2)."""

from __future__ import annotations

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks.conv import AntiAlias, UpBlock, instance_norm
from baselines.blocks.grids import gaussian, grid, transform, warp_each
from baselines.blocks.hourglass import Hourglass
from baselines.tpsmm import splines
from baselines.tpsmm.config import POINTS, TPSMMConfig
from baselines.tpsmm.keypoints import Keypoints


class Motion(TypedDict):
    """h x w: size of the source times `scale_factor`. K + 1: the background, then the splines.

    `deformation` (B, h, w, 2): where in the source each position of the driving frame is found. `contribution_maps`
    (B, K + 1, h, w) sum to one. `deformed_source` (B, K + 1, 3, h, w): the source moved by each motion.
    `occlusion_map`: coarse to fine, (B, 1, H / 2^n, W / 2^n) in [0, 1]; 0 where nothing of the source is to be seen.
    """

    deformation: Tensor
    contribution_maps: Tensor
    deformed_source: Tensor
    occlusion_map: list[Tensor]


class DenseMotionNetwork(nn.Module):
    """Source (B, 3, H, W), points of both frames and the motion of the background -> Motion."""

    def __init__(self, config: TPSMMConfig):
        super().__init__()
        self.sampling = config.sampling
        self.kp_variance = config.kp_variance
        self.down = AntiAlias(config.channels, config.scale_factor)
        motions = config.splines + 1
        channels = motions * config.channels + POINTS * config.splines + 1
        blocks, most = config.hourglass_blocks, config.hourglass_most
        self.hourglass = Hourglass(config.motion_base, channels, blocks, most, norm=instance_norm)
        widths, kernel = [self.hourglass.out_channels], config.kernel
        self.maps = nn.Conv2d(widths[0], motions, kernel, padding=kernel // 2)
        self.up = nn.ModuleList()
        for _ in range(self.down.step.bit_length() - 1):
            self.up.append(UpBlock(widths[-1], widths[-1] // 2, norm=instance_norm))
            widths.append(widths[-1] // 2)
        coarser = config.down_blocks + 1 - len(widths)  # occlusion maps read off the hourglass's inner levels
        widths = [*self.hourglass.decoder.widths[-1 - coarser : -1], *widths]
        self.occlusion = nn.ModuleList(nn.Conv2d(taken, 1, kernel, padding=kernel // 2) for taken in widths)

    def forward(
        self,
        source: Tensor,
        driving: Keypoints,
        origin: Keypoints,
        background: Tensor | None = None,
        dropped: Tensor | None = None,
    ) -> Motion:
        return self.from_small(self.down(source), driving, origin, background, dropped)

    def from_small(
        self,
        small: Tensor,
        driving: Keypoints,
        origin: Keypoints,
        background: Tensor | None = None,
        dropped: Tensor | None = None,
    ) -> Motion:
        """`small` (1 or B, 3, h, w): the source after `down`; `origin`: its points, 1 or B of them.

        `dropped` (B, K), training only (section 3.4): splines left out of the softmax, drawn by the caller.
        """
        size = (small.shape[2], small.shape[3])
        motions = sparse_motions(driving, origin, background, size)  # (B, K + 1, h, w, 2)
        deformed = warp_each(small, motions, self.sampling)
        heatmap = gaussian(driving["fg_kp"], size, self.kp_variance) - gaussian(origin["fg_kp"], size, self.kp_variance)
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 1, 0))  # (B, 5 K + 1, h, w): zeros for the background
        levels = self.hourglass.levels(torch.cat([heatmap, deformed.flatten(1, 2)], dim=1))
        logits = self.maps(levels[-1])
        if dropped is not None:
            logits = logits.masked_fill(F.pad(dropped, (1, 0))[:, :, None, None], float("-inf"))
        contribution = F.softmax(logits, dim=1)
        for block in self.up:
            levels.append(block(levels[-1]))
        occlusion = [
            torch.sigmoid(head(level))
            for head, level in zip(self.occlusion, levels[-len(self.occlusion):], strict=True)
        ]
        return {
            "deformation": (contribution[..., None] * motions).sum(dim=1),
            "contribution_maps": contribution,
            "deformed_source": deformed,
            "occlusion_map": occlusion,
        }


def sparse_motions(
    driving: Keypoints, origin: Keypoints, background: Tensor | None, size: tuple[int, int]
) -> Tensor:
    """(B, K + 1, h, w, 2): the background's motion, then every spline from the driving points to the source's."""
    points, targets = (kp["fg_kp"].unflatten(1, (-1, POINTS)) for kp in (driving, origin))
    positions = grid(*size, points)
    moved = splines.transform(points, targets.expand_as(points), positions)  # (B, K, h, w, 2)
    still = positions.expand(len(moved), -1, -1, -1) if background is None else transform(background, positions)
    return torch.cat([still[:, None], moved], dim=1)
