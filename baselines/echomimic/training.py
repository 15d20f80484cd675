"""EchoMimic's recipe on a toy's budget: single frames with their sound, then windows with motion modules."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.blocks.diffusion.speech import LogMelSpeech
from baselines.echomimic.inputs import audio_tokens, placed
from baselines.training.diffusion import DiffusionBatch, DiffusionStage
from baselines.training.stage import optimiser
from semo.media import FPS

SILENT = 0.05  # share of samples without sound


class Frames(DiffusionStage):
    """Both U-Nets and the face locator on single frames, without motion modules."""

    name = "frames"
    optimiser = optimiser(lr=2e-3, betas=(0.9, 0.99))
    trains = ("reference_unet", "denoising_unet", "face_locator")
    needs_faces = True

    def prepare(self) -> None:
        super().prepare()
        speech, bank = LogMelSpeech(), self.data.frames
        seconds = [len(clip) / FPS for clip in bank.clips]
        self.data.kept["tracks"] = [speech.of(w.numpy(), s) for w, s in zip(self.data.waveforms, seconds)]

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor:
        return 1 - self.places(clips, frames)[:, :1, None]

    def audio(self, clips: list[int], frames: Tensor) -> Tensor:
        tracks = self.data.kept["tracks"]
        return torch.stack([placed(audio_tokens(tracks[c], row, FPS)) for c, row in zip(clips, frames.tolist())])

    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        networks, heard = self.networks, batch.drops[:, 0] >= SILENT
        return networks["denoising_unet"](
            latent,
            batch.timestep,
            networks["reference_unet"](portrait),
            tokens=batch.audio * heard.view(-1, 1, 1, 1),
            token_scale=3.0,
            condition=networks["face_locator"](batch.pictures).expand(-1, -1, latent.shape[2], -1, -1),
            still=self.window == 1,
        )


class Windows(Frames):
    """Motion modules, audio attention and what draws their findings on windows of frames; the rest stays as it is."""

    name = "windows"
    window = 4
    parts = (
        "motion_modules",
        "attn2",
        "denoising_unet.up_blocks",
        "denoising_unet.conv_norm_out",
        "denoising_unet.conv_out",
    )


STAGES = (Frames, Windows)
