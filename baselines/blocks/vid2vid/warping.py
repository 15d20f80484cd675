"""The warping module: keypoints become a 3-D flow that warps the source volume (face-vid2vid, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.grids import Sampling
from baselines.blocks.vid2vid.appearance import ConvBlock2d
from baselines.blocks.vid2vid.hourglass3d import Hourglass3d
from baselines.blocks.vid2vid.translations import candidates, line

PUBLISHED = Sampling(grid_sample=False, interpolate=False)


class DenseMotion(nn.Module):
    """Combines one translation per keypoint and the identity by a soft mask over the volume."""

    def __init__(
        self,
        channels: int,
        depth: int,
        keypoints: int,
        compress: int,
        width: int,
        blocks: int,
        max_width: int,
        mask_kernel: int,
    ):
        super().__init__()
        self.sampling = PUBLISHED
        self.hourglass = Hourglass3d((keypoints + 1) * (compress + 1), width, blocks, max_width)
        made = self.hourglass.channels
        self.mask = nn.Conv3d(made, keypoints + 1, mask_kernel, padding=mask_kernel // 2)
        self.compress = nn.Conv3d(channels, compress, 1)
        self.norm = nn.BatchNorm3d(compress)
        self.occlusion = nn.Conv2d(made * depth, 1, 7, padding=3)

    def forward(self, volume: Tensor, kp_driving: Tensor, kp_source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> mask (B, K + 1, D, H, W), deformation (B, D, H, W, 3), occlusion (B, 1, H, W); 1 or B volumes."""
        small = F.relu(self.norm(self.compress(volume)))
        x = self.hourglass(candidates(small, kp_driving, kp_source, self.sampling.grid_sample))
        mask = self.mask(x).softmax(1)
        return mask, mixed(mask, kp_source - kp_driving), torch.sigmoid(self.occlusion(x.flatten(1, 2)))


def mixed(mask: Tensor, shifts: Tensor) -> Tensor:
    """Mask (B, K + 1, D, H, W) and translations (B, K, 3) -> where each voxel is found, (B, D, H, W, 3) as x, y, z.

    As the mask sums to one, the grid has weight one and the identity, which comes first, adds nothing.
    """
    lines = [line(count, mask) for count in mask.shape[2:]]
    grid = torch.stack(torch.meshgrid(*lines, indexing="ij")[::-1], dim=-1)  # (D, H, W, 3)
    return grid + torch.einsum("bkdhw,bki->bdhwi", mask[:, 1:], shifts)


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
        self.sampling = PUBLISHED
        self.dense_motion_network = dense_motion
        self.third = ConvBlock2d(planes, outputs, slope=0.01)
        self.fourth = nn.Conv2d(outputs, outputs, 1)

    def forward(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Warped:
        mask, deformation, occlusion = self.dense_motion_network(volume, kp_driving, kp_source)
        x = sample(volume, deformation, self.sampling)
        return Warped(self.fourth(self.third(x)) * occlusion, mask, deformation, occlusion)


def sample(volume: Tensor, deformation: Tensor, sampling: Sampling) -> Tensor:
    """Trilinear samples of a volume (1 or B, C, D, H, W) at (B, D, H, W, 3), zeros outside -> planes (B, C D, H, W)."""
    volume = volume.expand(len(deformation), -1, -1, -1, -1)
    return F.grid_sample(volume, deformation, align_corners=sampling.grid_sample).flatten(1, 2)
