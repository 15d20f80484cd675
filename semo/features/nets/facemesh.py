"""Face mesh of MediaPipe (Kartynnik et al. 2019): square crop around a face -> 468 points and a face flag.

Layers as in the converted weights of zmurez/MediaPipePyTorch; batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SIDE = 192
POINTS = 468


class BlazeBlock(nn.Module):
    """Depthwise 3x3 and pointwise 1x1 convolution beside an identity (Bazarevsky et al. 2019), then PReLU.

    With stride 2 the identity is max-pooled; TensorFlow pads such a convolution at the right and bottom only. New
    channels of the identity are zero.
    """

    def __init__(self, inp: int, out: int, stride: int = 1):
        super().__init__()
        self.stride, self.new = stride, out - inp
        self.convs = nn.Sequential(
            nn.Conv2d(inp, inp, 3, stride, padding=0 if stride == 2 else 1, groups=inp), nn.Conv2d(inp, out, 1)
        )
        self.act = nn.PReLU(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed = self.convs(F.pad(x, (0, 2, 0, 2)) if self.stride == 2 else x)
        kept = F.max_pool2d(x, 2) if self.stride == 2 else x
        return self.act(changed + F.pad(kept, (0, 0, 0, 0, 0, self.new)))


def _head(blocks: int, out: int) -> nn.Sequential:
    """From (n, 128, 6, 6) to (n, out, 1, 1)."""
    same = [BlazeBlock(128, 128) for _ in range(blocks)]
    return nn.Sequential(
        BlazeBlock(128, 128, 2), *same, nn.Conv2d(128, 32, 1), nn.PReLU(32), BlazeBlock(32, 32), nn.Conv2d(32, out, 3)
    )


class FaceMesh(nn.Module):
    """(n, 3, 192, 192) RGB in [0, 1] -> points (n, 468, 3) in pixels of the crop, probability of a face (n,)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, stride=2), nn.PReLU(16)]
        inp = 16
        for out in (32, 64, 128, 128):  # two blocks at each size, the third halves it
            layers += [BlazeBlock(inp, inp), BlazeBlock(inp, inp), BlazeBlock(inp, out, 2)]
            inp = out
        self.backbone1 = nn.Sequential(*layers, BlazeBlock(128, 128), BlazeBlock(128, 128))
        self.backbone2a = _head(2, 3 * POINTS)
        self.backbone2b = _head(0, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.backbone1(F.pad(x, (0, 1, 0, 1)))  # (n, 128, 6, 6)
        return self.backbone2a(x).view(-1, POINTS, 3), self.backbone2b(x).sigmoid().flatten()
