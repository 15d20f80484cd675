"""LIA's decoder (paper section 3.3): the latent makes a flow and a mask per scale, which warp the source's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.stylegan2 import ConstantInput, ConvLayer, ModulatedConv2d, StyledConv, Upsample
from baselines.lia.directions import Directions


def identity_grid(side: int, like: Tensor) -> Tensor:
    """(side, side, 2), x then y from -1 to 1 at the outer pixels' centres, as the published weights know it."""
    line = torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)


class ToFlow(nn.Module):
    """Offset and mask of one scale, added to those of the scale below; samples the source's feature with them."""

    def __init__(self, channels: int, style_dim: int):
        super().__init__()
        self.upsample = Upsample()
        self.conv = ModulatedConv2d(channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, feature: Tensor, skip: Tensor | None, align_corners: bool
                ) -> tuple[Tensor, Tensor, Tensor]:
        """-> masked warped feature (B, C, h, w), mask (B, 1, h, w), logits (B, 3, h, w): offset x, y and mask."""
        logits = self.conv(x, style) + self.bias
        if skip is not None:
            logits = logits + self.upsample(skip)
        offset, mask = torch.tanh(logits[:, :2]), torch.sigmoid(logits[:, 2:])
        grid = identity_grid(x.shape[-1], x) + offset.permute(0, 2, 3, 1)
        warped = F.grid_sample(feature.expand(len(x), -1, -1, -1), grid, align_corners=align_corners)
        return warped * mask, mask, logits


class ToRGB(nn.Module):
    """Colours of one scale from the masked warped feature, added to those of the scale below."""

    def __init__(self, channels: int, upsample: bool = True):
        super().__init__()
        if upsample:
            self.upsample = Upsample()
        self.conv = ConvLayer(channels, 3, 1)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        rgb = self.conv(x) + self.bias
        return rgb if skip is None else rgb + self.upsample(skip)


@dataclass
class Synthesis:
    """Image (B, 3, S, S), not clamped; logits of flow and mask and masked warped features of 8, 16, ... S px."""

    image: Tensor
    logits: list[Tensor] = field(default_factory=list)
    warped: list[Tensor] = field(default_factory=list)


class Decoder(nn.Module):
    def __init__(self, style_dim: int, motion_dim: int, widths: Sequence[int]):
        super().__init__()
        self.direction = Directions(style_dim, motion_dim)
        self.input = ConstantInput(widths[0])
        self.conv1 = StyledConv(widths[0], widths[0], style_dim)
        self.to_rgb1 = ToRGB(widths[0], upsample=False)  # idle: 4 px have no source feature; its keys are in the file
        self.convs, self.to_flows, self.to_rgbs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for inputs, outputs in zip(widths, widths[1:]):
            self.convs.append(StyledConv(inputs, outputs, style_dim, upsample=True))
            self.convs.append(StyledConv(outputs, outputs, style_dim))
            self.to_flows.append(ToFlow(outputs, style_dim))
            self.to_rgbs.append(ToRGB(outputs))

    def forward(self, latent: Tensor, features: Sequence[Tensor], align_corners: bool = False) -> Synthesis:
        """Latent (B, style_dim), source features of 8, 16, ... S px with batch 1 or B."""
        x = self.conv1(self.input(len(latent)), latent)
        rgb, logits = None, None
        made = Synthesis(x)
        for level, feature in enumerate(features):
            x = self.convs[2 * level + 1](self.convs[2 * level](x, latent), latent)
            warped, mask, logits = self.to_flows[level](x, latent, feature, logits, align_corners)
            rgb = self.to_rgbs[level](warped, rgb)
            x = warped + x * (1 - mask)
            made.logits.append(logits)
            made.warped.append(warped)
        made.image = rgb
        return made
