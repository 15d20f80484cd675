"""The 3-D U-net of dense motion: pools and doubles height and width, never depth (upstream util.py)."""

from __future__ import annotations

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
        return F.relu(self.norm(self.conv(x)))


class Encoder(nn.Module):
    """A list: the input and the result of every halving."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.down_blocks = nn.ModuleList(ConvBlock3d(*pair) for pair in zip(widths, widths[1:]))

    def forward(self, x: Tensor) -> list[Tensor]:
        made = [x]
        for block in self.down_blocks:
            made.append(F.avg_pool3d(block(made[-1]), (1, 2, 2)))
        return made


class Decoder(nn.Module):
    """Doubles and joins with the encoder's features; at last one convolution over everything."""

    def __init__(self, widths: list[int], outputs: list[int]):
        super().__init__()
        inputs = [widths[-1]] + [skip + out for skip, out in zip(widths[-2:0:-1], outputs)]
        self.up_blocks = nn.ModuleList(ConvBlock3d(*pair) for pair in zip(inputs, outputs))
        self.channels = widths[0] + outputs[-1]
        final = ConvBlock3d(self.channels, self.channels)
        self.conv, self.norm = final.conv, final.norm

    def forward(self, features: list[Tensor]) -> Tensor:
        x = features.pop()
        for block in self.up_blocks:
            x = block(F.interpolate(x, scale_factor=(1, 2, 2)))
            x = torch.cat([x, features.pop()], dim=1)
        return F.relu(self.norm(self.conv(x)))


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
