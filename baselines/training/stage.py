"""What all five recipes share: pairs of frames of one clip, a sum of named losses, the figures of a curve."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.training.perceptual import Maps, Pyramid
from baselines.training.transform import Deformation, draw
from semo.train.data import FrameBank, augment, step_generator
from semo.train.settings import AugmentSettings, OptimiserSettings

BATCH = 8  # pairs per step, the same for every rival: equal steps are equal samples
DRAWS = 32  # uniform numbers per pair for whatever else a recipe draws
AUGMENT = AugmentSettings(flip=0.5, colour=0.2, crop=0.2, motion=0.15, motion_end=0.02)


def optimiser(lr: float, betas: tuple[float, float] = (0.5, 0.999)) -> OptimiserSettings:
    """Adam as the papers use it, with a learning rate that falls to zero within the short budget."""
    return OptimiserSettings(batch=BATCH, lr=lr, warmup=20, decay="cosine", betas=betas, clip=10.0, ema=0.0)


@dataclass
class PairBatch:
    """Source and driving frame of each pair (B, 3, H, W) in [0, 1], and all that is random about their loss.

    `affine` (B, 2, 3) and `bends` (B, K, 2) are a Deformation, `uniform` (B, DRAWS) numbers in [0, 1); `progress` is
    the share of the training done.
    """

    source: Tensor
    driving: Tensor
    affine: Tensor
    bends: Tensor
    uniform: Tensor
    progress: float

    @property
    def deformation(self) -> Deformation:
        return Deformation(self.affine, self.bends)


class PairStage(nn.Module):
    """Networks of one rival in training: a `semo.train.loop.Stage`. Subclasses say what their paper minimises."""

    name: ClassVar[str]
    optimiser: ClassVar[OptimiserSettings]
    networks: Any  # a ModuleDict, whose items have methods of their own
    bank: FrameBank
    pyramid: Pyramid
    seed: int

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        for parameter in self.networks.parameters():
            if parameter.dim() == 4:  # images and convolutions in this order are up to 1.5 times faster on a CPU
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.__dict__.update(bank=bank, seed=seed, pyramid=Pyramid(maps))

    @abstractmethod
    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Name -> scalar, already weighted; their sum is minimised."""

    @abstractmethod
    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        """Two batches of frames in [0, 1] -> the source as the driving frame moves it, (B, 3, H, W)."""

    def forward(self, batch: PairBatch) -> Tensor:
        # Positions are soft maxima over a map and affine maps are inverted: bf16 has too few digits for either, and
        # gives networks this narrow no speed.
        with torch.autocast(batch.source.device.type, enabled=False):
            return torch.stack(list(self.losses(batch).values())).sum()

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[PairBatch, list[str]]:
        """The pairs of a step and their clips' names; a function of (seed, step, rank) only."""
        generator = step_generator(self.seed, step, rank)
        clips, source, driving = self.bank.pairs(BATCH, generator)
        frames = self.bank.gather(clips, torch.stack([source, driving], dim=1))
        frames = augment(frames, AUGMENT, progress, generator)
        first, second = (frames[:, i].contiguous(memory_format=torch.channels_last) for i in range(2))
        affine, bends = draw(BATCH, generator)
        batch = PairBatch(first, second, affine, bends, torch.rand(BATCH, DRAWS, generator=generator), progress)
        return batch, [self.bank.names[i] for i in clips]

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training pairs, dB: PSNR of moving pixels, of copying the source, and what shuffled motion costs."""
        device = next(self.parameters()).device
        clips, source, driving = self.bank.pairs(32, step_generator(self.seed, 0, stream=101))
        frames = self.bank.gather(clips, torch.stack([source, driving], dim=1)).to(device)
        source, driving = frames[:, 0], frames[:, 1]
        moving = ((source - driving).abs() > 0.1).any(1, keepdim=True).expand_as(source)
        own = psnr(self.reconstruct(source, driving), driving, moving)
        shuffled = psnr(self.reconstruct(source, driving.roll(1, 0)), driving, moving)
        return {
            "psnr_moving": own,
            "psnr_moving_copy": psnr(source, driving, moving),
            "motion_use_db": own - shuffled,
        }


def psnr(a: Tensor, b: Tensor, where: Tensor) -> float:
    """PSNR in dB of images in [0, 1] over the chosen values; 100 where none is chosen."""
    error = (a.float().clamp(0, 1) - b).square()[where]
    return float(-10 * torch.log10(error.mean().clamp(min=1e-10))) if error.numel() else 100.0
