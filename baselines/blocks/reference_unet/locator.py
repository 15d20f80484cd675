"""Face locator: a picture of where the face is, as something to add to the first features of the denoising U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.reference_unet.unet import fold


class FaceLocator(nn.Module):
    """Each of `widths` but the first halves the side: with four the features are 1/8 of the picture."""

    def __init__(self, channels: int, widths: Sequence[int], out_channels: int):
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for width, wider in pairwise(widths):
            self.blocks.append(nn.Conv2d(width, width, 3, padding=1))
            self.blocks.append(nn.Conv2d(width, wider, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)  # an untrained locator changes nothing
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, channels, F, H, W) in [0, 1] -> (B, out_channels, F, H / 2^n, W / 2^n)."""
        x = F.silu(self.conv_in(fold(picture)))
        for layer in self.blocks:
            x = F.silu(layer(x))
        return self.conv_out(x).unflatten(0, (len(picture), -1)).transpose(1, 2)
