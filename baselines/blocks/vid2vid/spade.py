"""The decoder: SPADE blocks (Park et al., CVPR 2019) paint the warped features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm


class Spade(nn.Module):
    """Instance norm whose gain and offset are convolutions of the guide, brought to size by repeating pixels."""

    def __init__(self, channels: int, guide: int, hidden: int):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(guide, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        shared = self.mlp_shared(F.interpolate(guide, size=x.shape[2:]))
        return F.instance_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class SpadeBlock(nn.Module):
    """Residual block of two spectrally normalised convolutions; a learned shortcut where the width changes."""

    def __init__(self, inputs: int, outputs: int, guide: int, hidden: int):
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = spectral_norm(nn.Conv2d(inputs, middle, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(middle, outputs, 3, padding=1))
        if inputs != outputs:
            self.conv_s = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))
        self.norm_0 = Spade(inputs, guide, hidden)
        self.norm_1 = Spade(middle, guide, hidden)
        if inputs != outputs:
            self.norm_s = Spade(inputs, guide, hidden)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        y = self.conv_0(F.leaky_relu(self.norm_0(x, guide), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, guide), 0.2))
        return y + (self.conv_s(self.norm_s(x, guide)) if hasattr(self, "conv_s") else x)


class SpadeDecoder(nn.Module):
    """Guide (B, guide, H, W) -> picture in [0, 1]; side = H doubled per entry of `ups`, then times `upscale`."""

    def __init__(self, guide: int, hidden: int, blocks: int, ups: Sequence[int], upscale: int):
        super().__init__()
        width = 2 * guide
        self.fc = nn.Conv2d(guide, width, 3, padding=1)
        self.blocks, self.ups = blocks, len(ups)
        for block in range(blocks):
            self.add_module(f"G_middle_{block}", SpadeBlock(width, width, guide, hidden))
        for level, (inputs, outputs) in enumerate(pairwise((width, *ups))):
            self.add_module(f"up_{level}", SpadeBlock(inputs, outputs, guide, hidden))
        image = nn.Conv2d(ups[-1], 3 * upscale**2, 3, padding=1)
        self.upscale = upscale
        self.conv_img = nn.Sequential(image, nn.PixelShuffle(upscale)) if upscale > 1 else image

    def forward(self, guide: Tensor) -> Tensor:
        x = self.fc(guide)
        for block in range(self.blocks):
            x = self.get_submodule(f"G_middle_{block}")(x, guide)
        for level in range(self.ups):
            x = self.get_submodule(f"up_{level}")(F.interpolate(x, scale_factor=2), guide)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, 0.2)))
