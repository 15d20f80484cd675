"""Frames in [0, 1] <-> latents of about unit variance: Stable Diffusion's VAE, and a linear codec at toy size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from semo.codec import PatchPCACodec

SCALING = 0.18215  # of Stable Diffusion: its latents have about unit variance
DECODED_AT_ONCE = 8
Latents = Iterator[Tensor]


class LatentCodec(Protocol):
    """`channels` and `size` (height = width) of a latent."""

    channels: int
    size: int

    def encode(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] -> (B, channels, size, size)."""

    def decode(self, latents: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, 3, S, S) in [0, 1]."""


class PatchLatents(nn.Module):
    """Principal components of square patches: what stands in for the VAE at toy size. `fit` it on training frames.

    flatten: 0 keeps the components' own variances (one scale for all), 1 gives every component unit variance
    """

    scales: Tensor

    def __init__(self, frame_size: int, patch: int, channels: int, flatten: float = 0.0):
        super().__init__()
        self.flatten = flatten
        self.linear = PatchPCACodec(frame_size, patch, channels)
        self.channels, self.size = channels, frame_size // patch
        self.register_buffer("scales", torch.ones(channels, 1, 1))

    @torch.no_grad()
    def fit(self, frames: Tensor) -> PatchLatents:
        """On frames (B, 3, S, S) in [0, 1]."""
        self.linear.fit(frames)
        deviations = self.linear.encode(frames).std((0, 2, 3)).clamp(min=1e-6)
        scales = deviations**-self.flatten
        self.scales.copy_((scales / (deviations * scales).square().mean().sqrt())[:, None, None])
        return self

    def encode(self, frames: Tensor) -> Tensor:
        return self.linear.encode(frames) * self.scales

    def decode(self, latents: Tensor) -> Tensor:
        return self.linear.decode(latents / self.scales)


class StableDiffusionLatents:
    """The VAE of Stable Diffusion through diffusers; a latent is the posterior's mean.

    folder: a diffusers AutoencoderKL (sd-vae-ft-mse). Raises ValueError where it cannot be loaded.
    """

    def __init__(self, folder: Path, frame_size: int, device: str = "cpu"):
        from diffusers import AutoencoderKL

        try:
            network = AutoencoderKL.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no VAE in {folder.name}: it needs the folder sd-vae-ft-mse with config.json and weights "
                f"({str(error).splitlines()[0]})"
            ) from error
        self.network = network.eval().requires_grad_(False).to(device)
        self.channels, self.size = 4, frame_size // 8

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        return self.network.encode(frames * 2 - 1).latent_dist.mean * SCALING

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return torch.cat([self.network.decode(one / SCALING).sample for one in latents.split(1)]) / 2 + 0.5


def decoded(latents: Latents, codec: LatentCodec, at_once: int = DECODED_AT_ONCE) -> Iterator[Tensor]:
    """Latents (C, h, w) of frames -> frames (3, S, S), a few at a time."""
    held: list[Tensor] = []
    for latent in latents:
        held.append(latent)
        if len(held) == at_once:
            yield from codec.decode(torch.stack(held))
            held = []
    if held:
        yield from codec.decode(torch.stack(held))
