"""Convolution blocks of the keypoint-driven family (FOMM, NeurIPS 2019, supplementary; MRAA and TPSMM reuse them).

Attribute names are those of the released files, so that a `state_dict` loads unchanged.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def batch_norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def instance_norm(channels: int) -> nn.Module:
    """Instance norm with learned scale and shift, without running statistics (TPSMM).

    As group norm of one channel per group, which unlike `nn.InstanceNorm2d` has a kernel for channels last.
    """
    return nn.GroupNorm(channels, channels)


class SameBlock(nn.Module):
    """Convolution, norm, ReLU at one resolution.

    `folds`, here and elsewhere: names of a convolution and the norm after it, which inference may make one.
    """

    folds = (("conv", "norm"),)

    def __init__(self, channels: int, out: int, kernel: int = 3, norm: Norm = batch_norm):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)
        self.norm = norm(out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.norm(self.conv(x)))


class DownBlock(SameBlock):
    """SameBlock, then the mean of 2 x 2: (B, C, H, W) -> (B, out, H / 2, W / 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """Nearest neighbour to twice the size, then SameBlock: (B, C, H, W) -> (B, out, 2 H, 2 W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0))


class ResBlock(nn.Module):
    """Pre-activation residual block: twice norm, ReLU, 3 x 3 convolution."""

    folds = (("conv1", "norm2"),)

    def __init__(self, channels: int, norm: Norm = batch_norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu_(self.norm1(x)))
        return self.conv2(F.relu_(self.norm2(out))) + x


class AntiAlias(nn.Module):
    """Gaussian blur, then every n-th pixel, n = 1 / scale: (B, C, H, W) -> (B, C, H / n, W / n).

    The standard deviation is (n - 1) / 2, the kernel spans four of them to each side; it is a buffer because the
    released files hold it. Blur and subsampling are one strided convolution.
    """

    def __init__(self, channels: int, scale: float):
        super().__init__()
        self.step = round(1 / scale)
        sigma = (1 / scale - 1) / 2
        size = 2 * round(4 * sigma) + 1
        line = torch.exp(-((torch.arange(size, dtype=torch.float32) - (size - 1) / 2) ** 2) / (2 * sigma**2 or 1.0))
        kernel = torch.outer(line, line)
        self.weight: Tensor
        self.register_buffer("weight", (kernel / kernel.sum()).expand(channels, 1, size, size).clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.step == 1:
            return x
        return F.conv2d(x, self.weight, stride=self.step, padding=self.weight.shape[-1] // 2, groups=len(self.weight))
