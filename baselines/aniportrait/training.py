"""AniPortrait's recipe: frames from drawings, then windows of frames, beside which sound learns to move the drawing.

The paper (section 3) trains audio2mesh and audio2pose apart from the diffusion networks, and these in two stages: all
but the motion modules on single frames, then the motion modules alone on windows. Here the audio networks learn in the
second stage, so that there are as many steps as for the other rivals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.aniportrait.config import SIZES
from baselines.aniportrait.denoising import guide
from baselines.blocks.diffusion.embedding import bundled
from baselines.inputs.drawing import drawn
from baselines.inputs.face import Face
from baselines.training.diffusion import DiffusionBatch, DiffusionStage
from baselines.training.stage import optimiser

UNCONDITIONAL = 0.1  # share of samples without portrait
MESH, POSE = 1.0, 1.0  # weights of the audio networks' losses
DRAWINGS, HEADS = "drawings", "heads"  # what is kept beside the frames


class Stage(DiffusionStage):
    """Frames from drawings."""

    needs_faces = True
    mirror = 0.0  # left and right have different colours

    def prepare(self) -> None:
        super().prepare()
        if DRAWINGS not in self.data.kept:
            width = SIZES["mini"].line_width
            self.data.kept[DRAWINGS] = [face_drawings(face, width) for face in self.data.faces]

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor:
        return self.data.stacked(DRAWINGS, clips, frames).transpose(1, 2).float() / 255  # (B, 3, 1 + F, S, S)

    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        alone = batch.drops[:, 0] < UNCONDITIONAL
        tokens = bundled(batch.frames[:, 0])[:, None] * ~alone[:, None, None]
        return self.networks["denoising_unet"](
            latent,
            batch.timestep,
            self.networks["reference_unet"](portrait, tokens),
            tokens=tokens,
            condition=self.networks["pose_guider"](guide(batch.pictures[:, :, 1:])),
            unconditional=alone,
        )


class Pictures(Stage):
    name = "pictures"
    trains = ("reference_unet", "denoising_unet", "pose_guider")
    optimiser = optimiser(lr=1e-3, betas=(0.9, 0.99))


def face_drawings(face: Face, width: int) -> Tensor:
    """Of every frame, uint8 (T, 3, H, W)."""
    return torch.from_numpy(drawn(face.mesh[..., :2], face.layout, face.size, width)).permute(0, 3, 1, 2).contiguous()


STAGES = (Pictures,)
