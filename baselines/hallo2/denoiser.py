"""Hallo2's U-Nets with all they are told of one clip of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.reference_unet import Audio


@dataclass(frozen=True)
class Told:
    """What stays the same all over a video.

    pictures: latents (1, 1 + M, C, h, w) of the portrait and of the frames before this clip; embedding: (1, D) of the
    face; face: its mask (1, K, 1, S, S) for the locator; masks: per level (3, L); scale: of sound in the whole frame,
    face and lips; sound: frames -> (F, window, layers, width)
    """

    pictures: Tensor
    embedding: Tensor
    face: Tensor
    masks: Sequence[Tensor]
    sound: Callable[[range], Tensor]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Hallo2Denoiser:
    """Unconditional rows get the tokens of an empty embedding, no sound and no face, and do not see the portrait."""

    def __init__(self, networks: Mapping[str, Any], told: Told, guided: bool):
        self.networks, self.told = networks, told
        tokens = networks["imageproj"](told.embedding)
        located = networks["face_locator"](told.face)  # (1, W, 1, h, w)
        pictures = told.pictures
        if guided:  # the unconditional row's motion frames are seen with its own tokens
            tokens = torch.cat([networks["imageproj"](torch.zeros_like(told.embedding)), tokens])
            located = torch.cat([torch.zeros_like(located), located])
            pictures = pictures.expand(2, -1, -1, -1, -1)
        self.tokens, self.located = tokens, located
        self.banks = networks["reference_unet"](pictures, tokens)

    def __call__(self, latent: Tensor, timestep: int, frames: range, unconditional: Tensor | None) -> Tensor:
        heard = self.networks["audioproj"](self.told.sound(frames).to(latent)[None])  # (1, F, T, D)
        if unconditional is not None:
            heard = torch.where(unconditional[:, None, None, None], torch.zeros_like(heard), heard)
        return self.networks["denoising_unet"](
            latent,
            timestep,
            self.banks,
            tokens=self.tokens,
            audio=Audio(heard.expand(len(latent), -1, -1, -1), self.told.masks, self.told.scale),
            condition=self.located.expand(-1, -1, len(frames), -1, -1),
            unconditional=unconditional,
        )
