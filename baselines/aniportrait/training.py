"""AniPortrait's recipe: frames from drawings; then windows of frames, beside which sound learns to move the drawing.

The paper (section 3) trains audio2mesh and audio2pose apart from the diffusion networks, and these in two stages: all
but the motion modules on single frames, then the motion modules on windows. Here the audio networks learn in the second
stage, so that there are as many steps as for the other rivals, and the way up of the denoising U-Net goes on in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baselines.aniportrait.denoising import guide
from baselines.aniportrait.moves import Moves
from baselines.blocks.diffusion.embedding import bundled
from baselines.inputs.drawing import CANVAS, drawn
from baselines.inputs.face import Face
from baselines.training.diffusion import DiffusionBatch, DiffusionStage
from baselines.training.stage import BATCH, optimiser
from semo.train.data import augment, step_generator
from semo.train.settings import AugmentSettings

UNCONDITIONAL = 0.1  # share of samples without portrait
LINE_WIDTH = CANVAS // 64  # one pixel of a toy's frame
DRAWINGS, MOVES = "drawings", "moves"  # what is kept beside the frames
APART = AugmentSettings(crop=0.2, motion=0.1)  # of a frame and its drawing alike
APART_STREAM = 8000
HEARING = 9000  # stream of what the audio networks hear
HEARD = 42  # frames of a sample of the audio networks: 49 at their rate
DEVIATIONS = (1.2, 2.1, 0.7, 0.6, 0.2, 0.1)  # of head poses within a clip: degrees and centimetres


class Pictures(DiffusionStage):
    """Reference U-Net, denoising U-Net and pose guider on single frames."""

    name = "pictures"
    optimiser = optimiser(lr=2e-3, betas=(0.9, 0.99))
    trains: tuple[str, ...] = ("reference_unet", "denoising_unet", "pose_guider")
    needs_faces = True
    mirror = 0.0  # left and right have different colours
    reach = 50  # frames: a portrait of any moment
    steps = 1
    regions = (1.0, 4.0, 16.0)

    def prepare(self) -> None:
        super().prepare()
        self.data.kept[DRAWINGS] = [face_drawings(face) for face in self.data.faces]

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor:
        """Drawings."""
        return self.data.stacked(DRAWINGS, clips, frames).transpose(1, 2).float() / 255

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[DiffusionBatch, list[str]]:
        """Frames are moved apart, their drawings with them: by a motion that is easy to learn, less and less."""
        made, names = super().batch(step, progress, rank)
        both = torch.cat((made.frames, made.pictures.transpose(1, 2)), 2)  # (B, 1 + F, 6, S, S)
        both = augment(both, APART, progress, step_generator(self.seed, step, APART_STREAM + rank))
        frames, drawings = both.split(3, 2)
        return replace(made, frames=frames, pictures=drawings.transpose(1, 2)), names

    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        alone = batch.drops[:, 0] < UNCONDITIONAL
        tokens = bundled(batch.frames[:, 0])[:, None] * ~alone[:, None, None]
        return self.networks["denoising_unet"](
            latent,
            batch.timestep,
            self.networks["reference_unet"](portrait, tokens),
            tokens=tokens,
            condition=self.networks["pose_guider"](guide(batch.pictures[:, :, 1:], batch.pictures[:, :, :1], 2)),
            unconditional=alone,
            still=self.window == 1,
        )


@dataclass
class SpokenBatch(DiffusionBatch):
    """With B samples for the audio networks, each of F frames at 30 per second (`Moves.drawn`)."""

    sound: Tensor | None = None
    offsets: Tensor | None = None
    motion: Tensor | None = None
    styles: Tensor | None = None


class Clips(Pictures):
    """Motion modules and the way up of the denoising U-Net on windows; both audio networks on other windows."""

    name = "clips"
    optimiser = optimiser(lr=1e-3, betas=(0.9, 0.99))
    trains = ("denoising_unet", "audio2mesh", "audio2pose")
    parts = ("motion_modules", "up_blocks", "conv_norm_out", "conv_out", "audio2mesh", "audio2pose")
    window = 3

    def prepare(self) -> None:
        data, ids = self.data, self.networks["audio2pose"].id_embed.num_embeddings
        hearing = self.networks["audio2mesh"].audio_encoder
        if DRAWINGS not in data.kept:
            super().prepare()
        data.kept[MOVES] = [
            Moves.of(face, wave.numpy(), hearing, clip % ids)
            for clip, (face, wave) in enumerate(zip(data.faces, data.waveforms, strict=True))
        ]

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[SpokenBatch, list[str]]:
        made, names = super().batch(step, progress, rank)
        heard = self.heard(BATCH, step_generator(self.seed, step, HEARING + rank))
        return SpokenBatch(**vars(made), **heard), names

    def heard(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Samples for the audio networks: what `moved` takes."""
        clips, _, starts = self.data.frames.windows(count, HEARD, generator)
        drawn = [self.data.kept[MOVES][clip].drawn(start, HEARD) for clip, start in zip(clips, starts.tolist())]
        return {name: torch.stack([one[name] for one in drawn]) for name in drawn[0]}

    def losses(self, batch: SpokenBatch) -> dict[str, Tensor]:
        mesh, pose = self.moved(batch.sound, batch.offsets, batch.motion, batch.styles)
        return super().losses(batch) | {"mesh": mesh, "pose": pose}

    def moved(self, sound: Tensor, offsets: Tensor, motion: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """Mean distance of vertices in centimetres, and of head poses in their deviations, on frames with a face."""
        seen = offsets.isfinite().all(-1).all(-1) & motion.isfinite().all(-1)  # (B, F)
        mesh = self.networks["audio2mesh"](sound, seen.shape[1]) - offsets.nan_to_num()
        motion = motion.nan_to_num()
        before = torch.cat((torch.zeros_like(motion[:, :1]), motion[:, :-1]), 1)
        pose = (self.networks["audio2pose"](sound, before, styles) - motion) / motion.new_tensor(DEVIATIONS)
        counted = seen.sum().clamp(min=1)
        return (mesh.abs().mean((2, 3)) * seen).sum() / counted, (pose.abs().mean(2) * seen).sum() / counted

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Also, on fixed samples: error of vertices in cm, what another sample's sound adds to it, error of poses."""
        drawn = self.heard(4 * BATCH, step_generator(self.seed, 0, HEARING - 1))
        heard = {name: value.to(self.codec.scales.device) for name, value in drawn.items()}
        mesh, pose = self.moved(**heard)
        worse, _ = self.moved(**heard | {"sound": heard["sound"].roll(1, 0)})
        figures = super().report()
        figures["lips_squared"] = figures.pop("lips_error")  # what the sound adds is that to the mesh
        return figures | {"mesh_error": float(mesh), "sound_use": float(worse - mesh), "pose": float(pose)}


def face_drawings(face: Face) -> Tensor:
    """Of every frame, uint8 (T, 3, H, W)."""
    made = drawn(face.mesh[..., :2], face.layout, face.size, LINE_WIDTH)
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


STAGES = (Pictures, Clips)
