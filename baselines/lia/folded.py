"""LIA's encoder and decoder for inference alone: equal to the plain ones up to rounding, with about half the work.

The decoder skips what the image does not need and applies the mask once: colours are read from the warped feature
before it is masked, because a 1 x 1 convolution and a mask of one channel commute.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks import stylegan2_folded as folded
from baselines.lia.decoder import Decoder, ToFlow, ToRGB, identity_grid
from baselines.lia.encoder import Encoder
from baselines.lia.generator import Generator


class FoldedEncoder(nn.Module):
    def __init__(self, encoder: Encoder):
        super().__init__()
        first, *blocks, head = encoder.net_app.convs
        side = 4 << len(blocks)  # the last block leaves 4 px
        halvings = (folded.ResBlock(block, side >> level) for level, block in enumerate(blocks))
        self.body = nn.Sequential(folded.ConvLayer(first, side), *halvings)
        self.register_buffer("head", (head.weight * head.scale).flatten(1).detach().clone())
        self.fc = copy.deepcopy(encoder.fc)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Image (B, 3, S, S) in [-1, 1] -> code (B, style_dim), features of 8, 16, ... S px."""
        x, features = image.contiguous(memory_format=torch.channels_last), []
        for block in self.body:
            x = block(x)
            features.append(x)
        return F.linear(x.flatten(1), self.head), features[-2::-1]

    def motion(self, image: Tensor) -> Tensor:
        """Image (B, 3, S, S) in [-1, 1] -> magnitudes (B, motion_dim); no feature map is kept."""
        x = self.body(image.contiguous(memory_format=torch.channels_last))
        return self.fc(F.linear(x.flatten(1), self.head))


class _Level(nn.Module):
    """One scale: flow, mask and colours as matrix products over the pixels (B, h * w, C)."""

    def __init__(self, flow: ToFlow, rgb: ToRGB):
        super().__init__()
        self.upsample, self.modulation = copy.deepcopy(flow.upsample), copy.deepcopy(flow.conv.modulation)
        conv, activate = rgb.conv
        self.register_buffer("flow", (flow.conv.weight[0, :, :, 0, 0] * flow.conv.scale).detach().clone())
        self.register_buffer("flow_bias", flow.bias.detach().flatten().clone())
        self.register_buffer("rgb", (conv.weight[:, :, 0, 0] * conv.scale * math.sqrt(2)).detach().clone())
        self.register_buffer("rgb_bias", (activate.bias * math.sqrt(2)).detach().clone())
        self.register_buffer("rgb_offset", rgb.bias.detach().clone())

    def forward(self, x: Tensor, style: Tensor, feature: Tensor, logits: Tensor | None, image: Tensor | None
                ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """-> warped feature (B, C, h, w), mask (B, 1, h, w), logits and image so far (B, 3, h, w)."""
        weights = self.flow * self.modulation(style)[:, None]  # (B, 3, C)
        pixels = x.permute(0, 2, 3, 1)  # channels last: a view
        own = torch.stack([F.linear(*pair, self.flow_bias) for pair in zip(pixels, weights)]).permute(0, 3, 1, 2)
        logits = own if logits is None else own + self.upsample(logits)
        grid = torch.tanh(logits[:, :2]).permute(0, 2, 3, 1) + identity_grid(x.shape[-1], x)
        mask = torch.sigmoid(logits[:, 2:])
        warped = F.grid_sample(feature.expand(len(x), -1, -1, -1), grid, align_corners=False)
        colours = (self.rgb @ warped.flatten(2)).unflatten(2, mask.shape[2:]) * mask  # sampling gives planes
        colours = F.leaky_relu_(colours + self.rgb_bias, 0.2) + self.rgb_offset
        return warped, mask, logits, colours if image is None else colours + self.upsample(image)


class FoldedDecoder(nn.Module):
    def __init__(self, decoder: Decoder):
        super().__init__()
        self.register_buffer("basis", decoder.direction.basis().detach().clone())
        self.register_buffer("start", decoder.input.input.detach().clone(memory_format=torch.contiguous_format))
        layers = enumerate((decoder.conv1, *decoder.convs))  # of 4, 8, 8, 16, 16, ... px
        self.convs = nn.ModuleList(folded.StyledConv(layer, 4 << (index + 1) // 2) for index, layer in layers)
        self.levels = nn.ModuleList(_Level(flow, rgb) for flow, rgb in zip(decoder.to_flows, decoder.to_rgbs))

    def direction(self, alpha: Tensor) -> Tensor:
        """Magnitudes (B, motion_dim) -> displacement of the latent (B, style_dim)."""
        return alpha @ self.basis.T

    def forward(self, latent: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Latent (B, style_dim), source features (1, C, h, w) of 8, 16, ... S px -> image (B, 3, S, S)."""
        start = self.start.contiguous(memory_format=torch.channels_last)
        x = self.convs[0](start.expand(len(latent), -1, -1, -1), latent)
        logits = image = None
        for level, (head, feature) in enumerate(zip(self.levels, features)):
            x = self.convs[2 * level + 2](self.convs[2 * level + 1](x, latent), latent)
            warped, mask, logits, image = head(x, latent, feature, logits, image)
            if level + 1 < len(self.levels):
                x = x.lerp_(warped, mask)
        return image


class FoldedGenerator(nn.Module):
    """A copy of the generator for inference, in eval mode; the generator itself is not changed."""

    @torch.no_grad()
    def __init__(self, generator: Generator):
        super().__init__()
        self.enc, self.dec = FoldedEncoder(generator.enc), FoldedDecoder(generator.dec)
        self.eval().requires_grad_(False)
