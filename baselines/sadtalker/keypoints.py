"""Canonical keypoints of a face in 3-D, and where head pose and expression take them (face-vid2vid, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import AntiAlias, DownBlock
from baselines.blocks.hourglass import width
from baselines.blocks.vid2vid.angles import degrees, rotations
from baselines.blocks.vid2vid.hourglass3d import UpBlock3d
from baselines.blocks.vid2vid.translations import line

ANGLES = ("pitch", "yaw", "roll")
DEGREES_PER_BIN, DEGREE_OFFSET = 3.0, -99.0
PI = 3.14  # as the published weights were trained


class Predictor(nn.Module):
    """A picture (B, 3, H, W) halved `blocks` times, split into `depth` slices, doubled again: (B, C, depth, H, W)."""

    def __init__(self, base: int, blocks: int, most: int, depth: int, planes: int):
        super().__init__()
        self.depth = depth
        widths = [3] + [width(base, level + 1, most) for level in range(blocks)]
        self.down_blocks = nn.Sequential()
        for level in range(blocks):
            self.down_blocks.add_module(f"down{level}", DownBlock(widths[level], widths[level + 1]))
        self.conv = nn.Conv2d(widths[-1], planes, 1)
        widths = [planes // depth] + [width(base, level, most) for level in reversed(range(blocks))]
        self.up_blocks = nn.Sequential()
        for level in range(blocks):
            self.up_blocks.add_module(f"up{level}", UpBlock3d(widths[level], widths[level + 1]))
        self.channels = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.down_blocks(x))
        return self.up_blocks(x.unflatten(1, (-1, self.depth)))


class KPDetector(nn.Module):
    """Picture (B, 3, S, S) in [0, 1] -> canonical keypoints (B, K, 3), x, y, z in [-1, 1]."""

    def __init__(self, base: int, blocks: int, most: int, depth: int, planes: int, keypoints: int, scale: float,
                 temperature: float):  # fmt: skip
        super().__init__()
        self.temperature = temperature
        self.down = AntiAlias(3, scale)
        self.predictor = Predictor(base, blocks, most, depth, planes)
        self.kp = nn.Conv3d(self.predictor.channels, keypoints, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        logits = self.kp(self.predictor(self.down(image)))  # (B, K, D, H, W)
        heat = (logits.flatten(2) / self.temperature).softmax(2).view(logits.shape)
        expected = [  # of each axis, from the sums over the others
            (heat.sum(dim=others) * line(heat.shape[axis], heat)).sum(2)
            for axis, others in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4)))
        ]
        return torch.stack(expected, dim=-1)


def place(
    canonical: Tensor,
    motion: Mapping[str, Tensor],
    per_bin: float = DEGREES_PER_BIN,
    offset: float = DEGREE_OFFSET,
    pi: float = PI,
    replaced: Mapping[str, float] | None = None,
) -> Tensor:
    """Canonical keypoints (1 or B, K, 3) under the mapping network's outputs -> (B, K, 3).

    canonical @ M^T + (0, t_y, 0) + exp, M = R_x(pitch) R_y(yaw) R_z(roll). `replaced`: degrees that take the place of
    an estimated angle.
    """
    angles = {name: degrees(motion[name], per_bin, offset) for name in ANGLES}
    angles |= {name: torch.full_like(angles[name], value) for name, value in (replaced or {}).items()}
    about_x, about_y, about_z = rotations(*(angles[name] / 180 * pi for name in ANGLES))
    turned = canonical @ (about_x @ about_y @ about_z).mT
    shift = F.pad(motion["t"][:, 1:2], (1, 1))  # neither sideways nor towards the camera
    return turned + shift[:, None] + motion["exp"].unflatten(1, (-1, 3))
