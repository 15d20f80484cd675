"""The residual U-Net that smooths a sequence of poses, seen as a picture of T x 6 pixels; it halves time only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

HALF = (2, 1)  # stride over time and pose


def conv3(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)


class ResidualConv(nn.Module):
    """Norm, ReLU, convolution, twice; the shortcut is a convolution with norm."""

    def __init__(self, inputs: int, outputs: int, stride: int | tuple[int, int] = 1):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            conv3(inputs, outputs, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            conv3(outputs, outputs),
        )
        self.conv_skip = nn.Sequential(conv3(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_block(x) + self.conv_skip(x)


class Upsample(nn.Module):
    """Twice the time steps."""

    def __init__(self, channels: int):
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, HALF, HALF)

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample(x)


class ResidualUNet(nn.Module):
    """(B, 1, T, 6) -> (B, 1, T, 6) in (0, 1); T is a multiple of 8. `widths`: four, from full to an eighth of T."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        first, second, third, last = widths
        self.input_layer = nn.Sequential(conv3(1, first), nn.BatchNorm2d(first), nn.ReLU(), conv3(first, first))
        self.input_skip = nn.Sequential(conv3(1, first))
        self.residual_conv_1 = ResidualConv(first, second, HALF)
        self.residual_conv_2 = ResidualConv(second, third, HALF)
        self.bridge = ResidualConv(third, last, HALF)
        self.upsample_1 = Upsample(last)
        self.up_residual_conv1 = ResidualConv(last + third, third)
        self.upsample_2 = Upsample(third)
        self.up_residual_conv2 = ResidualConv(third + second, second)
        self.upsample_3 = Upsample(second)
        self.up_residual_conv3 = ResidualConv(second + first, first)
        self.output_layer = nn.Sequential(nn.Conv2d(first, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        full = self.input_layer(x) + self.input_skip(x)
        half = self.residual_conv_1(full)
        quarter = self.residual_conv_2(half)
        x = self.bridge(quarter)
        x = self.up_residual_conv1(torch.cat([self.upsample_1(x), quarter], dim=1))
        x = self.up_residual_conv2(torch.cat([self.upsample_2(x), half], dim=1))
        x = self.up_residual_conv3(torch.cat([self.upsample_3(x), full], dim=1))
        return self.output_layer(x)
