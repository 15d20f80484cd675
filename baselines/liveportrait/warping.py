"""LivePortrait's warping module W: keypoints become a 3-D flow that warps the source volume (as in face-vid2vid)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.liveportrait.appearance import ConvBlock2d
from baselines.liveportrait.hourglass3d import Hourglass3d

KEYPOINT_VARIANCE = 0.01


def identity_grid(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """(D, H, W, 3), x, y, z from -1 to 1 at the centres of the outer voxels, as the published weights were trained."""
    lines = [torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype) for side in (depth, height, width)]
    return torch.stack(torch.meshgrid(*lines, indexing="ij")[::-1], dim=-1)


def sample(volume: Tensor, grid: Tensor) -> Tensor:
    """Trilinear samples of (B, C, D, H, W) at (B, d, h, w, 3), zeros outside."""
    return F.grid_sample(volume, grid, align_corners=False)


def candidates(volume: Tensor, kp_driving: Tensor, kp_source: Tensor) -> tuple[Tensor, Tensor]:
    """What the hourglass sees (B, (K + 1)(c + 1), D, H, W) and the K + 1 flows (B, K + 1, D, H, W, 3)."""
    batch, side = len(kp_driving), volume.shape[2:]
    grid = identity_grid(*side, like=volume)
    away = grid - kp_driving[:, :, None, None, None]  # (B, K, D, H, W, 3)
    flows = away + kp_source[:, :, None, None, None]
    flows = torch.cat([grid.expand(batch, 1, *grid.shape), flows], dim=1)
    warped = sample(volume.repeat_interleave(flows.shape[1], 0), flows.flatten(0, 1)).unflatten(0, (batch, -1))
    heat = _gaussian(away) - _gaussian(grid - kp_source[:, :, None, None, None])
    heat = F.pad(heat, (0, 0, 0, 0, 0, 0, 1, 0))  # none for the identity
    return torch.cat([heat[:, :, None], warped], dim=2).flatten(1, 2), flows


def _gaussian(offset: Tensor) -> Tensor:
    return torch.exp(-0.5 * offset.square().sum(-1) / KEYPOINT_VARIANCE)


class DenseMotion(nn.Module):
    """Combines one translation per keypoint and the identity by a soft mask over the volume."""

    def __init__(self, channels: int, depth: int, keypoints: int, compress: int, width: int, blocks: int,
                 max_width: int, mask_kernel: int):
        super().__init__()
        self.hourglass = Hourglass3d((keypoints + 1) * (compress + 1), width, blocks, max_width)
        made = self.hourglass.channels
        self.mask = nn.Conv3d(made, keypoints + 1, mask_kernel, padding=mask_kernel // 2)
        self.compress = nn.Conv3d(channels, compress, 1)
        self.norm = nn.BatchNorm3d(compress)
        self.occlusion = nn.Conv2d(made * depth, 1, 7, padding=3)

    def forward(self, volume: Tensor, kp_driving: Tensor, kp_source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> mask (B, K + 1, D, H, W), deformation (B, D, H, W, 3), occlusion (B, 1, H, W)."""
        small = F.relu(self.norm(self.compress(volume)))
        seen, flows = candidates(small, kp_driving, kp_source)
        x = self.hourglass(seen)
        mask = self.mask(x).softmax(1)
        deformation = (flows * mask[..., None]).sum(1)
        return mask, deformation, torch.sigmoid(self.occlusion(x.flatten(1, 2)))


@dataclass
class Warped:
    """`out` (B, C, H, W), `mask` (B, K + 1, D, H, W), `deformation` (B, D, H, W, 3), `occlusion` (B, 1, H, W)."""

    out: Tensor
    mask: Tensor
    deformation: Tensor
    occlusion: Tensor


class WarpingModule(nn.Module):
    """Source volume (1 or B, C, D, H, W) and keypoints (B, K, 3) of both frames -> the features of the moved face."""

    def __init__(self, planes: int, outputs: int, dense_motion: DenseMotion):
        super().__init__()
        self.dense_motion_network = dense_motion
        self.third = ConvBlock2d(planes, outputs, slope=0.01)
        self.fourth = nn.Conv2d(outputs, outputs, 1)

    def forward(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Warped:
        volume = volume.expand(len(kp_driving), *volume.shape[1:])
        mask, deformation, occlusion = self.dense_motion_network(volume, kp_driving, kp_source)
        x = sample(volume, deformation).flatten(1, 2)  # (B, C D, H, W)
        return Warped(self.fourth(self.third(x)) * occlusion, mask, deformation, occlusion)
