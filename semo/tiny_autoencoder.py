"""TAEF2, the tiny autoencoder of madebyollin/taesd (MIT): 256 px -> 32 x 32 x 32 latents, 10 MB of float32 weights.

diffusers' AutoencoderTiny has no block with the pooled branch of its middle stages, so its two networks are here. The
order of the layers is fixed by the keys of `taef2_encoder.pth` and `taef2_decoder.pth`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

LATENT_CHANNELS = 32
WIDTH = 64


class Block(nn.Module):
    """Three 3x3 convolutions around an identity; `pooled` adds a group-normed 1x1 bottleneck in front."""

    def __init__(self, pooled: bool = False):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(4, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "pool"):
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class SoftClamp(nn.Module):
    """Bounds latents to (-3, 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


def _encoder() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), Block()]
    for stage in range(3):
        layers.append(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, stride=2, bias=False))
        layers += [Block(pooled=stage == 2) for _ in range(3)]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, LATENT_CHANNELS, 3, padding=1))


def _decoder() -> nn.Sequential:
    layers: list[nn.Module] = [SoftClamp(), nn.Conv2d(LATENT_CHANNELS, WIDTH, 3, padding=1), nn.ReLU()]
    for stage in range(3):
        layers += [Block(pooled=stage == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, Block(), nn.Conv2d(WIDTH, 3, 3, padding=1))


class TinyAutoencoder(nn.Module):
    """Frames (B, 3, S, S) in [0, 1] <-> latents (B, 32, S/8, S/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _encoder(), _decoder()

    @classmethod
    def from_folder(cls, folder: str | Path) -> TinyAutoencoder:
        """Loads `taef2_encoder.pth` and `taef2_decoder.pth`; FileNotFoundError names a missing one."""
        network = cls()
        for part in ("encoder", "decoder"):
            file = Path(folder) / f"taef2_{part}.pth"
            if not file.is_file():
                raise FileNotFoundError(f"codec taef2: {file} is missing; run `semo fetch taef2`")
            getattr(network, part).load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return network

    def encode(self, frames: Tensor) -> Tensor:
        return self.encoder(frames)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents)
