"""MobileFaceNet (Chen et al. 2018) as foamliu/MobileFaceNet trained it: aligned face -> 128-d identity."""

from __future__ import annotations

import torch
from torch import nn

# (expansion, channels, blocks, stride of the first): Table 1 of the paper, with the halved channels of its last rows
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def _conv(inp: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out), nn.ReLU6()
    )


class DepthwiseSeparable(nn.Module):
    """A 3x3 convolution per channel, then a 1x1 across channels; each normalised and rectified."""

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn2(self.pointwise(torch.relu(self.bn1(self.depthwise(x))))))


class Bottleneck(nn.Module):
    """Inverted residual block (Sandler et al. 2018) with a linear last layer."""

    def __init__(self, inp: int, out: int, stride: int, expansion: int):
        super().__init__()
        wide = inp * expansion
        self.residual = stride == 1 and inp == out
        self.conv = nn.Sequential(
            _conv(inp, wide),
            _conv(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class GlobalDepthwise(nn.Module):
    """A 7x7 convolution per channel over the whole 7x7 map: pooling with learnt weights."""

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.depthwise(x))


class MobileFaceNet(nn.Module):
    """(n, 3, 112, 112) RGB, normalised as for ImageNet -> (n, 128), not yet of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 3, stride=2)
        self.dw_conv = DepthwiseSeparable(64)
        blocks, channels = [], 64
        for expansion, out, count, stride in STAGES:
            for i in range(count):
                blocks.append(Bottleneck(channels, out, stride if i == 0 else 1, expansion))
                channels = out
        self.features = nn.Sequential(*blocks)
        self.conv2 = _conv(channels, 512)
        self.gdconv = GlobalDepthwise(512)
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dw_conv(self.conv1(x))  # (n, 64, 56, 56)
        x = self.conv2(self.features(x))  # (n, 512, 7, 7)
        return self.bn(self.conv3(self.gdconv(x))).flatten(1)
