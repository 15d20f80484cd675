"""Stage 1 as its checkpoint holds it: encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from baselines.anitalker.encoder import Encoder
from baselines.lia.decoder import Decoder


class Renderer(nn.Module):
    """Identity-decoupled motion encoder and LIA's decoder. Images are (B, 3, S, S) in [-1, 1]."""

    def __init__(self, size: int, style_dim: int, motion_dim: int, widths: Sequence[int]):
        super().__init__()
        if 4 << (len(widths) - 1) != size:
            raise ValueError(f"{len(widths)} widths describe a network of {4 << (len(widths) - 1)} px, not {size}")
        self.enc = Encoder(style_dim, motion_dim, widths)
        self.dec = Decoder(style_dim, motion_dim, widths)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """The source with the motion of the driving frame, absolute transfer; linear output, to be clamped."""
        code, features = self.enc.net_app(source)
        return self.dec(code + self.dec.direction(self.enc.motion(driving)), features).image
