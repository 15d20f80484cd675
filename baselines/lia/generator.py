"""Latent Image Animator: the encoder and decoder that one checkpoint holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from baselines.lia.decoder import Decoder
from baselines.lia.encoder import Encoder


class Generator(nn.Module):
    """Wang et al., Latent Image Animator, ICLR 2022. Images are (B, 3, S, S) in [-1, 1]."""

    encoder: ClassVar[type[nn.Module]] = Encoder

    def __init__(self, size: int, style_dim: int, motion_dim: int, widths: Sequence[int]):
        super().__init__()
        if 4 << (len(widths) - 1) != size:
            raise ValueError(f"{len(widths)} widths describe a network of {4 << (len(widths) - 1)} px, not {size}")
        self.enc = self.encoder(style_dim, motion_dim, widths)
        self.dec = Decoder(style_dim, motion_dim, widths)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """The source with the motion of the driving frame, absolute transfer; linear output, to be clamped."""
        code, features = self.enc.net_app(source)
        return self.dec(code + self.dec.direction(self.enc.motion(driving)), features).image
