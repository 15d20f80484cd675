"""The hourglass: an encoder of down blocks and a decoder of up blocks that takes in the encoder's maps (U-Net)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, Norm, UpBlock, batch_norm


def width(base: int, level: int, most: int) -> int:
    """Channels after `level` halvings: doubled each time, at most `most`."""
    return min(most, base * 2**level)


class Encoder(nn.Module):
    """(B, C, H, W) -> the input and the map after each of `blocks` halvings."""

    def __init__(self, base: int, channels: int, blocks: int, most: int, norm: Norm = batch_norm):
        super().__init__()
        widths = [channels] + [width(base, level + 1, most) for level in range(blocks)]
        self.down_blocks = nn.ModuleList(DownBlock(a, b, norm=norm) for a, b in zip(widths, widths[1:], strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [x]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps


class Decoder(nn.Module):
    """Maps of an Encoder -> the deepest map and the map after each doubling, coarse to fine.

    After a doubling the encoder's map of that size is concatenated. `widths`: channels of the maps.
    """

    def __init__(self, base: int, channels: int, blocks: int, most: int, norm: Norm = batch_norm):
        super().__init__()
        self.up_blocks = nn.ModuleList()
        self.widths = [width(base, blocks, most)]
        for level in reversed(range(blocks)):
            given = width(base, level, most)
            self.up_blocks.append(UpBlock(self.widths[-1], given, norm=norm))
            self.widths.append(given + (given if level else channels))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        out = [maps[-1]]
        for block, skip in zip(self.up_blocks, reversed(maps[:-1]), strict=True):
            out.append(torch.cat([block(out[-1]), skip], dim=1))
        return out


class Hourglass(nn.Module):
    """(B, C, H, W) -> (B, base + C, H, W); H and W are divisible by 2 ** blocks."""

    def __init__(self, base: int, channels: int, blocks: int = 3, most: int = 256, norm: Norm = batch_norm):
        super().__init__()
        self.encoder = Encoder(base, channels, blocks, most, norm)
        self.decoder = Decoder(base, channels, blocks, most, norm)
        self.out_channels = self.decoder.widths[-1]

    def levels(self, x: Tensor) -> list[Tensor]:
        """All maps of the decoder, coarse to fine."""
        return self.decoder(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.levels(x)[-1]
