"""The appearance extractor: a frame becomes a volume of features (face-vid2vid, section 3.1)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock2d(nn.Module):
    """3 x 3 convolution, batch norm, (leaky) ReLU and, with `pool`, the mean of 2 x 2 pixels."""

    def __init__(self, inputs: int, outputs: int, pool: bool = False, slope: float = 0.0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self.pool, self.slope = pool, slope

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm(self.conv(x)), self.slope)
        return F.avg_pool2d(x, 2) if self.pool else x


class ResBlock3d(nn.Module):
    """Pre-activation residual block (B, C, D, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(y)))


class AppearanceExtractor(nn.Module):
    """(B, 3, S, S) in [0, 1] -> (B, channels, depth, S / 2^downs, S / 2^downs)."""

    def __init__(self, width: int, downs: int, max_width: int, channels: int, depth: int, blocks: int):
        super().__init__()
        if channels * depth != max_width:
            raise ValueError(f"{max_width} planes cannot be split into {channels} channels x {depth} slices")
        self.channels, self.depth = channels, depth
        widths = [min(max_width, width << level) for level in range(downs + 1)]
        self.first = ConvBlock2d(3, width)
        self.down_blocks = nn.ModuleList(ConvBlock2d(*pair, pool=True) for pair in pairwise(widths))
        self.second = nn.Conv2d(widths[-1], max_width, 1)
        self.resblocks_3d = nn.Sequential()
        for block in range(blocks):
            self.resblocks_3d.add_module(f"3dr{block}", ResBlock3d(channels))

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image)
        for block in self.down_blocks:
            x = block(x)
        x = self.second(x).unflatten(1, (self.channels, self.depth))
        return self.resblocks_3d(x)
