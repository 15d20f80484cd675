"""EchoMimic's recipe on a toy's budget: single frames, then windows with motion and sound."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.blocks.diffusion.speech import LogMelSpeech
from baselines.echomimic.inputs import audio_tokens, placed
from baselines.inputs.masks import face_mask
from baselines.training.diffusion import DiffusionBatch, DiffusionStage
from baselines.training.stage import optimiser
from semo.media import FPS


class Frames(DiffusionStage):
    """Reference U-Net, denoising U-Net and face locator on single frames, without motion modules and sound."""

    name = "frames"
    optimiser = optimiser(lr=1e-3, betas=(0.9, 0.99))
    trains = ("reference_unet", "denoising_unet", "face_locator")
    needs_faces = True

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor:
        """One mask for all: the face may go where it goes in a sample."""
        faces = self.data.faces
        masks = torch.stack([face_mask(faces[clip][row]) for clip, row in zip(clips, frames.numpy())])
        return masks[:, :, None].expand(-1, -1, frames.shape[1], -1, -1)

    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        networks = self.networks
        rows, _, frames = latent.shape[:3]
        tokens = batch.audio
        if tokens is None:
            tokens = latent.new_zeros(rows, frames, 10, networks["denoising_unet"].config.token_dim)
        return networks["denoising_unet"](
            latent,
            batch.timestep,
            networks["reference_unet"](portrait),
            tokens=tokens,
            token_scale=3.0,
            condition=networks["face_locator"](batch.pictures[:, :, :1]).expand(-1, -1, frames, -1, -1),
            still=batch.audio is None,
        )


class Windows(Frames):
    """Motion modules and audio attention on windows of frames."""

    name = "windows"
    window = 12

    def prepare(self) -> None:
        speech = LogMelSpeech()
        self.data.kept["tracks"] = [
            speech.of(wave.numpy(), len(clip) / FPS) for wave, clip in zip(self.data.waveforms, self.data.frames.clips)
        ]

    def audio(self, clips: list[int], frames: Tensor) -> Tensor:
        tracks = self.data.kept["tracks"]
        return torch.stack([placed(audio_tokens(tracks[c], row, FPS)) for c, row in zip(clips, frames.tolist())])


STAGES = (Frames, Windows)
