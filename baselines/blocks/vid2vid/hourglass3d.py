"""The 3-D U-net of dense motion: pools and doubles height and width, never depth (upstream util.py)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock3d(nn.Module):
    """3 x 3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.norm(self.conv(x)))


class DownBlock3d(ConvBlock3d):
    """ConvBlock3d, then the mean of 2 x 2: (B, C, D, H, W) -> (B, outputs, D, H / 2, W / 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(super().forward(x), (1, 2, 2))


class UpBlock3d(ConvBlock3d):
    """Nearest neighbour to twice the height and width, then ConvBlock3d."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=(1, 2, 2)))


class Encoder(nn.Module):
    """A list: the input and the result of every halving."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.down_blocks = nn.ModuleList(DownBlock3d(*pair) for pair in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        made = [x]
        for block in self.down_blocks:
            made.append(block(made[-1]))
        return made


class Decoder(ConvBlock3d):
    """Doubles and joins with the encoder's features; at last one convolution over everything."""

    def __init__(self, widths: list[int], outputs: list[int]):
        channels = widths[0] + outputs[-1]
        super().__init__(channels, channels)
        inputs = [widths[-1]] + [skip + out for skip, out in zip(widths[-2:0:-1], outputs[:-1], strict=True)]
        self.up_blocks = nn.ModuleList(UpBlock3d(*pair) for pair in zip(inputs, outputs, strict=True))
        self.channels = channels

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = maps[-1]
        for block, skip in zip(self.up_blocks, reversed(maps[:-1]), strict=True):
            x = torch.cat([block(x), skip], dim=1)
        return super().forward(x)


class Hourglass3d(nn.Module):
    """(B, inputs, D, H, W) -> (B, `channels`, D, H, W); H and W are multiples of 2^blocks."""

    def __init__(self, inputs: int, width: int, blocks: int, max_width: int):
        super().__init__()
        widths = [min(max_width, width << level) for level in range(blocks + 1)]
        self.encoder = Encoder([inputs, *widths[1:]])
        self.decoder = Decoder([inputs, *widths[1:]], widths[-2::-1])
        self.channels = self.decoder.channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
