"""The two U-Nets at toy size, which learn within minutes, while the originals start from Stable Diffusion.

The architecture between first and last layer is the family's. Around it, three things that Stable Diffusion would know:

- where a position lies: sines and cosines of its place join the latents;
- that a frame looks like its portrait: the portrait's latent joins the noisy one, and the U-Net paints what is
  different, zero in the beginning;
- what is noise: the U-Net paints the clean difference, from which v follows (at pure noise the two are the same).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import Banks, DenoisingUNet, ReferenceUNet, UNetConfig, ddim

PLACES = 12  # channels: sines and cosines of three frequencies, across and down


@dataclass(frozen=True)
class ToyBanks(Banks):
    """portrait_latent: (R, C, h, w), what frames are different from."""

    portrait_latent: Tensor | None = None


class ToyReferenceUNet(ReferenceUNet):
    def __init__(self, config: UNetConfig):
        super().__init__(replace(config, in_channels=config.in_channels + PLACES))

    def forward(self, pictures: Tensor, *args: Any, **told: Any) -> ToyBanks:
        """As the parent's."""
        if pictures.dim() == 4:
            pictures = pictures[:, None]
        banks = super().forward(with_places(pictures, 2), *args, **told)
        return ToyBanks(banks.entries, pictures[:, 0])


class ToyDenoisingUNet(DenoisingUNet):
    """signal: share of the signal in a noisy latent's variance, per timestep."""

    signal: Tensor

    def __init__(self, config: UNetConfig):
        super().__init__(replace(config, in_channels=2 * config.in_channels + PLACES))
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
        self.register_buffer("signal", ddim(1).alphas_cumprod.clone(), persistent=False)

    def forward(
        self,
        latent: Tensor,
        timestep: int | Tensor,
        banks: ToyBanks,
        *,
        unconditional: Tensor | None = None,
        **told: Any,
    ) -> Tensor:
        """As the parent's; unconditional rows are different from nothing."""
        portrait = banks.portrait_latent[:, :, None]  # (R, C, 1, h, w)
        if unconditional is not None:
            portrait = torch.where(unconditional.view(-1, 1, 1, 1, 1), torch.zeros_like(portrait), portrait)
        signal = self.signal[torch.as_tensor(timestep, device=latent.device)].view(-1, 1, 1, 1, 1)
        beside = portrait.expand(len(latent), -1, latent.shape[2], -1, -1)
        seen = with_places(torch.cat([latent - signal.sqrt() * portrait, beside], 1), 1)
        clean = portrait - super().forward(seen, timestep, banks, unconditional=unconditional, **told)
        return (signal.sqrt() * latent - clean) / (1 - signal).sqrt()


def with_places(latents: Tensor, channels: int) -> Tensor:
    """Latents (..., h, w) with PLACES more planes along the axis `channels`."""
    height, width = latents.shape[-2:]
    planes = [
        wave(math.pi / 2 * frequency * place)
        for frequency in (1, 2, 4)
        for wave in (torch.sin, torch.cos)
        for place in (
            torch.linspace(-1, 1, width).expand(height, width),
            torch.linspace(-1, 1, height)[:, None].expand(height, width),
        )
    ]
    code = torch.stack(planes).to(latents)  # (PLACES, h, w)
    shape = [*latents.shape[:channels], PLACES, *latents.shape[channels + 1 :]]
    code = code.view(PLACES, *[1] * (latents.dim() - channels - 3), height, width)
    return torch.cat([latents, code.expand(shape)], channels)
