"""3-D convolutions with large kernels as products of spectra.

A 7 x 7 x 7 convolution costs 343 products per pair of channels and voxel. Height and width are cut into overlapping
tiles, so that the spectra of the weights stay small and all tiles share one matrix product per frequency.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 16  # output pixels a side


class FFTConv3d(nn.Module):
    """A stride-1 convolution with odd cubic kernel and "same" padding, for inference; H and W multiples of TILE."""

    def __init__(self, conv: nn.Conv3d, depth: int):
        super().__init__()
        size = conv.kernel_size[0]
        if conv.kernel_size != (size,) * 3 or conv.padding != (size // 2,) * 3 or conv.stride != (1, 1, 1):
            raise ValueError("FFTConv3d: needs an odd cubic kernel, stride 1 and padding of half the kernel")
        self.reach = size // 2
        side = TILE + 2 * self.reach
        # what wraps around in depth reaches only the rows that are cut off; in height and width tiles overlap instead
        self.sides = (fast_length(depth + self.reach), side, side)
        weight = conv.weight.detach()
        spectrum = torch.fft.rfftn(weight, s=self.sides, dim=(2, 3, 4)).conj()  # (C', C, ...): correlation
        self.spectrum_shape = spectrum.shape[2:]
        self.register_buffer("spectrum", spectrum.flatten(2).permute(2, 0, 1).contiguous())  # (frequencies, C', C)
        self.register_buffer("bias", conv.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) -> (B, C', D, H, W)."""
        return torch.stack([self._one(volume) for volume in x])

    def _one(self, x: Tensor) -> Tensor:
        channels, depth, height, width = x.shape
        reach, rows, columns = self.reach, height // TILE, width // TILE
        padded = F.pad(x, (reach, reach, reach, reach))
        side = self.sides[1]
        tiles = padded.unfold(2, side, TILE).unfold(3, side, TILE)  # (C, D, rows, columns, side, side)
        tiles = tiles.permute(0, 2, 3, 1, 4, 5)  # (C, rows, columns, D, side, side)
        spectrum = torch.fft.rfftn(tiles, s=self.sides, dim=(3, 4, 5))
        spectrum = spectrum.reshape(channels, rows * columns, -1).permute(2, 0, 1)  # (frequencies, C, tiles)
        made = torch.bmm(self.spectrum, spectrum.contiguous()).permute(1, 2, 0)  # (C', tiles, frequencies)
        made = made.unflatten(2, self.spectrum_shape)
        made = torch.fft.irfftn(made, s=self.sides, dim=(2, 3, 4))  # (C', tiles, D + ..., side, side)
        made = made.roll(reach, 2)[:, :, :depth, :TILE, :TILE].unflatten(1, (rows, columns))
        made = made.permute(0, 3, 1, 4, 2, 5).reshape(len(self.bias), depth, height, width)
        return made + self.bias[:, None, None, None]


def fast_length(least: int) -> int:
    """The next length whose only prime factors are 2, 3 and 5, for which transforms are fast."""
    rest = least
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return least if rest == 1 else fast_length(least + 1)
