"""Sizes of LIA: the published network at 256 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.lia.generator import Generator


@dataclass(frozen=True)
class Config:
    """`frame_size`: in pixels. `widths`: channels at 4, 8, ... `frame_size` px. `motion_dim`: directions of motion."""

    frame_size: int
    style_dim: int
    motion_dim: int
    widths: tuple[int, ...]

    @classmethod
    def published(cls, size: int, style_dim: int, motion_dim: int, channel_multiplier: int) -> Config:
        """The widths of StyleGAN2: 512 up to 32 px, then halved per doubling and scaled by the multiplier."""
        sides = [4 << level for level in range(size.bit_length() - 2)]
        widths = tuple(512 if side <= 32 else 16384 // side * channel_multiplier for side in sides)
        return cls(size, style_dim, motion_dim, widths)


SIZES = {
    "official": Config.published(size=256, style_dim=512, motion_dim=20, channel_multiplier=1),
    "mini": Config(frame_size=64, style_dim=64, motion_dim=20, widths=(64, 64, 48, 32, 16)),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the top level of the official checkpoint."""
    return {"gen": Generator(config.frame_size, config.style_dim, config.motion_dim, config.widths)}
