"""What the two stages of the reference-U-Net rivals share: noised latents of frames, a weighted loss of v-prediction.

Stage 1 learns single frames: portrait and picture conditions, without motion modules and sound. Stage 2 learns windows
of frames. A sample is a window (of one frame in stage 1) and another frame of its clip, the portrait.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.reference_unet import ddim
from baselines.inputs.masks import region_masks
from baselines.training.perceptual import Maps
from baselines.training.stage import BATCH, psnr
from baselines.training.talk import TalkBank, TalkStage
from semo.train.data import step_generator

FITTED_ON = 256  # training frames a toy's codec is fitted on
DROPS = 4  # uniform numbers per sample for what a method drops
REPORTED = 48  # fixed samples of the curve
EMPHASIS = (1.0, 3.0, 30.0)  # of background, face and lips in the loss: a toy's minutes are for what speaks


@dataclass
class DiffusionBatch:
    """B samples of F frames.

    frames: (B, 1 + M + F, 3, S, S) in [0, 1], the portrait first, then M frames that are given, then those to predict;
    noise: (B, C, F, h, w); timestep: (B,); drops: (B, DROPS) in [0, 1); spots: standard normal (B, M, 1, S, S).
    emphasis: (B, 1, 1, S, S), what a pixel counts. pictures: (B, K, 1 + M + F, S, S) of the same frames, audio:
    (B, F, ...); None for a stage without
    """

    frames: Tensor
    noise: Tensor
    timestep: Tensor
    drops: Tensor
    spots: Tensor
    emphasis: Tensor
    pictures: Tensor | None = None
    audio: Tensor | None = None


class DiffusionStage(TalkStage):
    """Subclasses say what the U-Nets are told (`pictures`, `audio`) and how they are run (`velocity`).

    window: frames of a sample; reach: how many frames a portrait may lie beside its window's first; lead: frames before
    a window that are given; parts: what is trained, as parts of parameter names, everything in `trains` where empty;
    steps: of the toy's sampler, whose timesteps alone are trained; noise_offset: noise that is the same all over a
    frame; gamma: of the loss weights; colour: largest relative change of a channel; mirror: share of samples turned
    left to right; regions: what a pixel of background, face and lips counts
    """

    window: ClassVar[int] = 1
    reach: ClassVar[int] = 6
    lead: ClassVar[int] = 0
    parts: ClassVar[tuple[str, ...]] = ()
    steps: ClassVar[int] = 4
    noise_offset: ClassVar[float] = 0.05
    gamma: ClassVar[float] = 5.0
    colour: ClassVar[float] = 0.2
    mirror: ClassVar[float] = 0.5
    regions: ClassVar[tuple[float, float, float]] = EMPHASIS

    def __init__(self, networks: Mapping[str, nn.Module], data: TalkBank, maps: Maps, seed: int, order: int = 0):
        super().__init__(networks, data, maps, seed, order)
        self.schedule = ddim(self.steps)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and (not self.parts or any(p in name for p in self.parts)))

    @property
    def codec(self) -> Any:
        """The codec, one of the networks."""
        return self.networks["codec"]

    @torch.no_grad()
    def prepare(self) -> None:
        if self.order == 0:
            self.codec.fit(self.data.frames.sample_frames(FITTED_ON, self.seed).to(self.codec.scales.device))

    def pictures(self, clips: list[int], frames: Tensor) -> Tensor | None:
        """Conditions (B, K, 1 + M + F, S, S) of frames (B, 1 + M + F), the portrait's first, or one for all of them
        (B, K, 1, S, S); None without any."""
        return None

    def emphasis(self, clips: list[int], frames: Tensor) -> Tensor:
        """What a pixel counts in the loss for frames (B, 1 + M + F), (B, 1, 1, S, S)."""
        return torch.einsum("bkhw,k->bhw", self.places(clips, frames), torch.tensor(self.regions))[:, None, None]

    def places(self, clips: list[int], frames: Tensor) -> Tensor:
        """Background, face and lips (B, 3, S, S) wherever they are in frames (B, N); all face where none is found."""
        made = []
        for clip, row in zip(clips, frames.numpy()):
            face = self.data.faces[clip][row]
            lost = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1).expand(3, *face.size)
            made.append(region_masks(face) if face.found.any() else lost)
        return torch.stack(made)

    def audio(self, clips: list[int], frames: Tensor) -> Tensor | None:
        """What is heard in frames (B, F), (B, F, ...); None for a stage without sound."""
        return None

    @abstractmethod
    def velocity(self, latent: Tensor, portrait: Tensor, batch: DiffusionBatch) -> Tensor:
        """v of a noisy latent (B, C, F, h, w); portrait: its latent (B, C, h, w). Drops what training drops."""

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[DiffusionBatch, list[str]]:
        """Windows of clips and all that is random about them; a function of (seed, step, rank) only."""
        return self._drawn(BATCH, self.generator(step, rank))

    def _drawn(self, count: int, generator: torch.Generator) -> tuple[DiffusionBatch, list[str]]:
        bank, window = self.data.frames, self.window
        clips, portraits, starts = bank.windows(count, self.lead + window, generator)
        portraits = portraits.clamp(starts - self.reach, starts + self.reach)
        numbers = self.numbers(portraits, starts, torch.rand(count, generator=generator))
        flip = torch.rand(count, generator=generator) < self.mirror
        gain, shift = torch.rand(2, count, 1, 3, 1, 1, generator=generator) * 2 - 1
        frames = bank.gather(clips, numbers) * (1 + self.colour / 2 * gain) + self.colour / 4 * shift
        frames = mirrored(frames.clamp(0, 1), flip)
        pictures = self.pictures(clips, numbers)
        shape = (count, self.codec.channels, window, self.codec.size, self.codec.size)
        noise = torch.randn(shape, generator=generator)
        noise = noise + self.noise_offset * torch.randn(*shape[:2], 1, 1, 1, generator=generator)
        batch = DiffusionBatch(
            frames=frames,
            noise=noise,
            timestep=self.timesteps(torch.rand(count, generator=generator)),
            drops=torch.rand(count, DROPS, generator=generator),
            spots=torch.randn(count, self.lead, 1, *frames.shape[-2:], generator=generator),
            emphasis=mirrored(self.emphasis(clips, numbers), flip),
            pictures=None if pictures is None else mirrored(pictures, flip),
            audio=self.audio(clips, numbers[:, 1 + self.lead :]),
        )
        return batch, [bank.names[clip] for clip in clips]

    def numbers(self, portraits: Tensor, starts: Tensor, uniform: Tensor) -> Tensor:
        """Frame numbers (B, 1 + M + F) from those of portraits and windows (B,) and numbers (B,) in [0, 1)."""
        return torch.cat([portraits[:, None], starts[:, None] + torch.arange(self.lead + self.window)], 1)

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Timesteps of samples from numbers (B,) in [0, 1): pure noise, where most is decided, in half of them."""
        return self.schedule.timesteps[((2 * uniform - 1).clamp(min=0) * self.steps).long()]

    def latents(self, frames: Tensor) -> Tensor:
        """(B, T, 3, S, S) -> (B, C, T, h, w)."""
        return self.codec.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).transpose(1, 2)

    def losses(self, batch: DiffusionBatch) -> dict[str, Tensor]:
        latents = self.latents(batch.frames)
        portrait, clean = latents[:, :, 0], latents[:, :, 1 + self.lead :]
        noisy = self.schedule.add_noise(clean, batch.noise, batch.timestep)
        # GroupNorm's backward pass on channels_last crashes in torch 2.13 where its input needs no gradient
        noisy.requires_grad_()
        wanted = self.schedule.get_velocity(clean, batch.noise, batch.timestep)
        emphasis = F.adaptive_avg_pool2d(batch.emphasis[:, 0], self.codec.size)[:, None]  # (B, 1, 1, h, w)
        error = ((self.velocity(noisy, portrait, batch) - wanted).square() * emphasis).mean((1, 2, 3, 4))
        return {"v": (self.weights(batch.timestep) * error).mean()}

    def weights(self, timestep: Tensor) -> Tensor:
        """Min-SNR weights of v-prediction: min(snr + 1, gamma) / (snr + 1), (B,)."""
        remaining = 1 - self.schedule.alphas_cumprod.to(timestep.device)[timestep]  # 1 / (snr + 1)
        return (self.gamma * remaining).clamp(max=1)

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training samples, in one step from pure noise.

        PSNR of moving pixels, and of copying the portrait there (dB); mean squared error about the lips and that of the
        portrait (8-bit levels squared), and in a stage that listens what the sound of other clips adds to it.
        """
        batch, _ = self._drawn(REPORTED, step_generator(self.seed, 0, stream=101 + self.order))
        moved = {k: v.to(self.codec.scales.device) if isinstance(v, Tensor) else v for k, v in vars(batch).items()}
        batch = DiffusionBatch(**(moved | {"drops": torch.ones_like(moved["drops"])}))
        portrait, target = batch.frames[:, :1], batch.frames[:, 1 + self.lead :]
        made, copied = self.at_once(batch), portrait.expand_as(target)
        moving = ((copied - target).abs() > 0.1).any(2, keepdim=True).expand_as(target)
        lips = (batch.emphasis > self.regions[1]).expand_as(target)

        def error(frames: Tensor) -> float:
            return float((255 * (frames - target)).square()[lips].mean())

        figures = {
            "psnr_moving": psnr(made, target, moving),
            "psnr_moving_copy": psnr(copied, target, moving),
            "lips_error": error(made),
            "lips_copy": error(copied),
        }
        if batch.audio is not None:
            other = DiffusionBatch(**(vars(batch) | {"audio": batch.audio.roll(1, 0)}))
            figures["sound_use"] = error(self.at_once(other)) - figures["lips_error"]
        return figures

    def at_once(self, batch: DiffusionBatch) -> Tensor:
        """Frames (B, F, 3, S, S) as predicted from pure noise in one step."""
        last = torch.full_like(batch.timestep, len(self.schedule.alphas_cumprod) - 1)
        portrait = self.latents(batch.frames[:, :1])[:, :, 0]
        made = -self.velocity(batch.noise, portrait, DiffusionBatch(**(vars(batch) | {"timestep": last})))
        return self.codec.decode(made.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(made), -1))


def mirrored(pictures: Tensor, which: Tensor) -> Tensor:
    """(B, ..., W) with the entries of `which` (B,) turned left to right."""
    return torch.where(which.view(-1, *[1] * (pictures.dim() - 1)), pictures.flip(-1), pictures)
