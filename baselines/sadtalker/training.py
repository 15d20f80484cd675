"""SadTalker's two trainings as far as rendered faces allow.

Renderer: canonical keypoints, renderer and mapping network learn from pairs of frames of one clip and the coefficients
around them, with the losses of face-vid2vid (Wang et al., CVPR 2021): perceptual pyramid, head pose, keypoint prior,
deformation prior, and with the L1 distance of the pixels, without which colours are lost in a short training. Sound:
ExpNet and PoseVAE learn the coefficients of a window from its sound (SadTalker, sections 3.2 and 3.3). Left out: the
terms that need a lip reader, Wav2Lip and landmarks of a face model, and equivariance, since keypoints come from the
source alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from baselines.blocks.vid2vid.angles import degrees
from baselines.inputs.annotated import UNITS
from baselines.inputs.face import Face
from baselines.sadtalker.keypoints import ANGLES, DEGREE_OFFSET, DEGREES_PER_BIN, place
from baselines.sadtalker.mapping import RADIUS, windows
from baselines.sadtalker.mel import mel_patches
from baselines.sadtalker.pose_vae import POSE
from baselines.training.keypoints3d import keypoint_prior
from baselines.training.stage import BATCH, optimiser, psnr
from baselines.training.talk import TalkStage
from semo.train.data import augment
from semo.train.settings import AugmentSettings

PIXEL, PRIOR, DEFORMATION, HEAD_POSE = 20.0, 10.0, 5.0, 0.2
KL, ADVERSARIAL = 0.001, 0.05
SHARP, APART = -3.0, 10.0  # log variance of latents and factor of their means at the beginning
LEAST_SPREAD = 0.02
HEARD = 6  # frames of a window that ExpNet hears
COLOUR = AugmentSettings(flip=0.0, colour=0.2, crop=0.0, motion=0.0, motion_end=0.0)  # coefficients stay true
TURNS = (1.0, 1.0, -1.0)  # pitch, yaw, roll of the keypoints beside those of a Face, whose roll counts the other way
COEFFICIENTS = "coefficients"
FASTER = {4: torch.channels_last, 5: torch.channels_last_3d}  # order of convolutions' weights, on a CPU
VALIDATION = 16


@dataclass
class RendererBatch:
    """Pairs of frames (B, 3, H, W) in [0, 1] and the coefficients around each (B, C, window)."""

    source: Tensor
    driving: Tensor
    source_motion: Tensor
    driving_motion: Tensor


class Stage(TalkStage):
    """What both trainings share: coefficients of every frame."""

    optimiser = optimiser(lr=2e-3)
    needs_faces = True

    def prepare(self) -> None:
        for parameter in self.networks.parameters():
            if parameter.dim() in FASTER:
                parameter.data = parameter.data.contiguous(memory_format=FASTER[parameter.dim()])
        self.expressions = self.networks["audio2exp"].mapping1.out_features
        self.data.kept[COEFFICIENTS] = self.data.coefficients(self.expressions)


class Renderer(Stage):
    """From coefficients to pictures."""

    name = "renderer"
    trains = ("generator", "kp_extractor", "mapping")

    def losses(self, batch: RendererBatch) -> dict[str, Tensor]:
        made, driven, motion = self.render(batch)
        angles = torch.stack([degrees(motion[name], DEGREES_PER_BIN, DEGREE_OFFSET) for name in ANGLES], dim=1)
        middle = batch.driving_motion[:, self.expressions : self.expressions + 3, RADIUS]
        wanted = torch.rad2deg(middle) * middle.new_tensor(TURNS)
        return {
            "perceptual": self.pyramid(made, batch.driving),
            "pixel": PIXEL * (made - batch.driving).abs().mean(),
            "prior": PRIOR * keypoint_prior(driven),
            "deformation": DEFORMATION * motion["exp"].abs().mean(),
            "head_pose": HEAD_POSE * (angles - wanted).abs().mean(),
        }

    def render(self, batch: RendererBatch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Picture, keypoints of the driving frame, its motion as the mapping network reads it."""
        mapping, generator = self.networks["mapping"], self.networks["generator"]
        canonical = self.networks["kp_extractor"](batch.source)
        motion = mapping(batch.driving_motion)
        source, driven = place(canonical, mapping(batch.source_motion)), place(canonical, motion)
        return generator(generator.volume(batch.source), source, driven).image, driven, motion

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[RendererBatch, list[str]]:
        generator = self.generator(step, rank)
        clips, source, driving = self.data.frames.pairs(BATCH, generator)
        batch = self._pairs(clips, source, driving)
        frames = augment(torch.stack([batch.source, batch.driving], dim=1), COLOUR, progress, generator)
        batch.source, batch.driving = frames[:, 0], frames[:, 1]
        return batch, [self.data.frames.names[i] for i in clips]

    def _pairs(self, clips: list[int], source: Tensor, driving: Tensor) -> RendererBatch:
        frames = self.data.frames.gather(clips, torch.stack([source, driving], dim=1))
        found = self.data.kept[COEFFICIENTS]
        around = [
            torch.cat([windows(found[i], at[None]) for i, at in zip(clips, chosen, strict=True)])
            for chosen in (source, driving)
        ]
        return RendererBatch(frames[:, 0], frames[:, 1], *around)

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training pairs, dB: PSNR of moving pixels, of copying the source, and what shuffled motion costs."""
        device = next(self.parameters()).device
        batch = self._pairs(*self.data.frames.pairs(VALIDATION, self.generator(0, rank=101)))
        batch = RendererBatch(*(value.to(device) for value in vars(batch).values()))
        moving = ((batch.source - batch.driving).abs() > 0.1).any(1, keepdim=True).expand_as(batch.source)
        own = psnr(self.render(batch)[0], batch.driving, moving)
        copied = psnr(batch.source, batch.driving, moving)
        batch.driving_motion = batch.driving_motion.roll(1, 0)
        shuffled = psnr(self.render(batch)[0], batch.driving, moving)
        return {"psnr_moving": own, "psnr_moving_copy": copied, "motion_use_db": own - shuffled}


@dataclass
class SoundBatch:
    """Windows of T = 1 + `pose_frames` frames: mel patches (B, T, 1, 80, 16), coefficients (B, T, C), how closed the
    eyes are (B, T, 1).

    `reference` (B, C): coefficients of another frame of the clip, which stands for the portrait. `heard` (B, HEARD):
    frames of the window whose expression is predicted. `style` (B,): class of the clip. `noise` (B, latent).
    """

    mel: Tensor
    coefficients: Tensor
    closure: Tensor
    reference: Tensor
    heard: Tensor
    style: Tensor
    noise: Tensor


class Sound(Stage):
    """From sound to coefficients."""

    name = "sound"
    trains = ("audio2exp", "audio2pose")

    def prepare(self) -> None:
        super().prepare()
        self.pose, found = self.networks["audio2pose"], self.data.kept[COEFFICIENTS]
        self.data.kept |= {
            "closure": [torch.from_numpy(eye_closure(face)) for face in self.data.faces],
            "mel": [mel_patches(wave.numpy(), len(c)) for wave, c in zip(self.data.waveforms, found, strict=True)],
        }
        moves = torch.cat([clip[:, -POSE:] - clip[:1, -POSE:] for clip in found])
        spread = torch.cat([torch.cat(found)[:, :-POSE].std(0), moves.std(0)])
        self.register_buffer("spread", spread.clamp(min=LEAST_SPREAD))  # so that every coefficient counts the same
        self.begin_well()

    @torch.no_grad()
    def begin_well(self) -> None:
        """Coefficients begin at about the size of the data's, and latents tell poses apart.

        In the short budget a decoder that hears mostly noise learns to ignore it, and every head moves the same.
        """
        nn.init.constant_(self.pose.netG.encoder.linear_logvar.bias, SHARP)
        self.pose.netG.encoder.linear_means.weight.mul_(APART)
        self.networks["audio2exp"].mapping1.weight.mul_(self.spread[:-POSE, None])
        self.pose.netG.decoder.pose_linear.weight.mul_(self.spread[-POSE:, None])
        nn.init.zeros_(self.networks["audio2exp"].mapping1.bias)
        nn.init.zeros_(self.pose.netG.decoder.pose_linear.bias)

    def losses(self, batch: SoundBatch) -> dict[str, Tensor]:
        network, pose = self.pose.netG, batch.coefficients[..., -POSE:]
        first, moved = pose[:, 0], pose[:, 1:] - pose[:, :1]
        audio = self.pose.embed(batch.mel[:, 1:])
        mean, logvar = network.encoder(moved, batch.style, first, audio)
        made = network.decoder(mean + batch.noise * (logvar / 2).exp(), batch.style, first, audio)
        made, moved = made / self.spread[-POSE:], moved / self.spread[-POSE:]
        fooled, judged = adversarial_losses(self.pose.netD_motion, made, moved)
        return {
            "expression": self.difference(batch).square().mean(),
            "pose": F.mse_loss(made, moved),
            "kl": KL * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean() / 2,
            "adversarial": ADVERSARIAL * fooled,
            "discriminator": judged,
        }

    def difference(self, batch: SoundBatch) -> Tensor:
        """Made less true expression of the heard frames, in deviations of each number: (B, HEARD, E)."""
        rows = torch.arange(len(batch.heard), device=batch.heard.device)[:, None]
        mel, true, closure = (x[rows, batch.heard] for x in (batch.mel, batch.coefficients, batch.closure))
        made = self.networks["audio2exp"](mel, batch.reference[:, None, :-POSE], closure)
        return (made - true[..., :-POSE]) / self.spread[:-POSE]

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[SoundBatch, list[str]]:
        generator = self.generator(step, rank)
        batch, clips = self._windows(BATCH, generator)
        return batch, [self.data.frames.names[i] for i in clips]

    def _windows(self, count: int, generator: torch.Generator) -> tuple[SoundBatch, list[int]]:
        length, kept = 1 + self.pose.seq_len, self.data.kept
        clips, reference, start = self.data.frames.windows(count, length, generator)
        frames = start[:, None] + torch.arange(length)
        mel = torch.cat([kept["mel"][i][:, s : s + length] for i, s in zip(clips, start.tolist(), strict=True)])
        batch = SoundBatch(
            mel,
            self.data.stacked(COEFFICIENTS, clips, frames),
            self.data.stacked("closure", clips, frames),
            self.data.stacked(COEFFICIENTS, clips, reference[:, None])[:, 0],
            torch.rand(count, length, generator=generator).argsort(1)[:, :HEARD],
            torch.tensor(clips) % self.pose.classes,
            torch.randn(count, self.pose.latent, generator=generator),
        )
        return batch, clips

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training windows: error of the expression in its deviations, what other sound costs, and the
        deviation of made poses beside that of true ones."""
        batch, _ = self._windows(VALIDATION, self.generator(0, rank=101))
        device = next(self.parameters()).device
        batch = SoundBatch(*(value.to(device) for value in vars(batch).values()))
        pose, own = batch.coefficients[..., -POSE:], self._error(batch)
        audio = self.pose.embed(batch.mel[:, 1:])
        made = self.pose.netG.decoder(batch.noise, batch.style, pose[:, 0], audio)
        true = pose[:, 1:] - pose[:, :1]
        batch.mel = batch.mel.roll(1, 0)
        return {
            "expression_error": own,
            "sound_use": self._error(batch) - own,
            "pose_spread": float((made.std((0, 1)) / true.std((0, 1))).mean()),
        }

    def _error(self, batch: SoundBatch) -> float:
        """Mean square over the numbers that move."""
        return float(self.difference(batch)[..., self.spread[:-POSE] > LEAST_SPREAD].square().mean())


def adversarial_losses(discriminator: nn.Module, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Non-saturating losses of generator and discriminator, as `baselines.training.adversarial` has them, but made and
    real poses are always judged in one batch: apart, batch norm would hide the difference."""
    fixed = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    fooled = functional_call(discriminator, fixed, (torch.cat([made, real.detach()]),))[: len(made)]
    fake, true = discriminator(torch.cat([made.detach(), real])).chunk(2)
    return F.softplus(-fooled).mean(), F.softplus(fake).mean() + F.softplus(-true).mean()


def eye_closure(face: Face) -> np.ndarray:
    """How closed the eyes are, float32 (T, 1) in [0, 1]; 0 where no annotation says."""
    if face.kind != "annotated":
        return np.zeros((len(face), 1), np.float32)
    sides = [UNITS.index(f"eye-{side}-closure") for side in ("left", "right")]
    return face.expression[:, sides].mean(1, keepdims=True).clip(0, 1)


STAGES = (Renderer, Sound)
