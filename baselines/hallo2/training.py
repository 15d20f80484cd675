"""Hallo2's recipe on a toy's budget: single frames, then clips with motion and sound.

In both stages image, sound or both are left out in 5 % of the samples each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.blocks.diffusion import embedding
from baselines.blocks.diffusion.speech import LogMelSpeech
from baselines.blocks.reference_unet import Audio
from baselines.hallo2.inputs import audio_windows, patch_dropped
from baselines.inputs.masks import at_levels
from baselines.training.diffusion import DiffusionBatch, DiffusionStage
from baselines.training.stage import optimiser
from semo.media import FPS

LEFT_OUT = 0.05
FIRST = 0.2  # share of clips that begin at the portrait, as the first of a video does
SOUND_WINDOW = 5  # frames


class Frames(DiffusionStage):
    """Reference and denoising U-Net, face locator and image projection on single frames."""

    name = "frames"
    optimiser = optimiser(lr=2e-3, betas=(0.9, 0.99))
    trains: tuple[str, ...] = ("reference_unet", "denoising_unet", "face_locator", "imageproj")
    needs_faces = True

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor:
        return self.places(clips, frames)[:, :, None]

    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        networks, drawn = self.networks, batch.drops[:, 0]
        alone = (drawn < LEFT_OUT) | ((drawn >= 2 * LEFT_OUT) & (drawn < 3 * LEFT_OUT))
        tokens = networks["imageproj"](embedding.bundled(batch.frames[:, 0]) * ~alone[:, None])
        face = (1 - batch.pictures[:, :1]).expand(-1, 3, -1, -1, -1)
        located = networks["face_locator"](face) * ~alone.view(-1, 1, 1, 1, 1)
        return networks["denoising_unet"](
            latent,
            batch.timestep,
            networks["reference_unet"](self.seen(portrait, batch), tokens),
            tokens=tokens,
            condition=located.expand(-1, -1, latent.shape[2], -1, -1),
            unconditional=alone,
            **self.heard(batch),
        )

    def seen(self, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        """Latents of what the reference U-Net looks at, (B, 1 + M, C, h, w)."""
        return portrait[:, None]

    def heard(self, batch: DiffusionBatch) -> dict[str, Any]:
        """What the denoising U-Net is told of sound."""
        return {"still": True}


class Clips(Frames):
    """Motion modules, audio attention and audio projection on clips that go on from two frames before them."""

    name = "clips"
    trains = ("denoising_unet", "audioproj")
    parts = ("motion_modules", "audio_modules", "audioproj", "denoising_unet.conv_norm_out", "denoising_unet.conv_out")
    window, lead = 3, 2

    def prepare(self) -> None:
        speech, bank = LogMelSpeech(), self.data.frames
        lengths = [len(clip) / FPS for clip in bank.clips]
        self.data.kept["tracks"] = [speech.of(w.numpy(), seconds) for w, seconds in zip(self.data.waveforms, lengths)]

    def audio(self, clips: list[int], frames: Tensor) -> Tensor:
        tracks = self.data.kept["tracks"]
        heard = [audio_windows(tracks[clip], row, FPS, SOUND_WINDOW) for clip, row in zip(clips, frames.tolist())]
        return torch.stack(heard)

    def numbers(self, portraits: Tensor, starts: Tensor, uniform: Tensor) -> Tensor:
        """Some clips are the first of a video: they begin at the portrait, which stands still before them."""
        numbers = super().numbers(portraits, starts, uniform)
        first = uniform < FIRST
        numbers[first, : 1 + self.lead] = starts[first, None] + self.lead
        return numbers

    def seen(self, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        before = batch.frames[:, 1 : 1 + self.lead]  # (B, M, 3, S, S)
        kept = patch_dropped(before, 1 - batch.pictures[:, :1, 0, None], batch.spots)
        return torch.cat([portrait[:, None], self.latents(kept).transpose(1, 2)], 1)

    def heard(self, batch: DiffusionBatch) -> dict[str, Any]:
        drawn = batch.drops[:, 0]
        silent = (drawn >= LEFT_OUT) & (drawn < 3 * LEFT_OUT)
        tokens = self.networks["audioproj"](batch.audio) * ~silent.view(-1, 1, 1, 1)
        sides = [self.codec.size >> level for level in range(len(self.networks["denoising_unet"].config.widths))]
        return {"audio": Audio(tokens, at_levels(batch.pictures[:, :, 0], sides))}


STAGES = (Frames, Clips)
