"""LIA's recipe: L1, perceptual pyramid and a non-saturating adversarial term (section 3.3), on images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.training.adversarial import Discriminator, adversarial_losses
from baselines.training.perceptual import Maps
from baselines.training.stage import PairBatch, PairStage, optimiser
from semo.train.data import FrameBank

PIXELS = 1.0
ADVERSARIAL = 0.1
ADVERSARIAL_FROM = 0.75  # share of the training after which there is something to judge
FLOW_START = 1e-3  # of the initial flow heads: at full size they tear the source's features apart, which takes the
# first thousands of steps to unlearn


class Training(PairStage):
    name = "lia"
    # Weights of unit variance need large steps to change within the budget, but flow heads amplify theirs; momentum 0,
    # as in the paper, is too noisy with batches of 8.
    optimiser = optimiser(lr=1e-2, betas=(0.9, 0.99))
    rates: ClassVar[dict[str, float]] = {".to_flows.": 0.1, "discriminator.": 0.1}

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        super().__init__(networks, bank, maps, seed)
        self.discriminator = Discriminator()
        for head in self.networks["gen"].dec.to_flows:
            nn.init.normal_(head.conv.weight, std=FLOW_START)
        self.spread_motion()

    @torch.no_grad()
    def spread_motion(self) -> None:
        """Shift and scale the last layer so that every magnitude has mean 0 and deviation 1 over training frames.

        An untrained encoder gives nearly the same motion for all frames, which the decoder then ignores for longer
        than the whole budget.
        """
        encoder = self.networks["gen"].enc
        motion = encoder.motion(2 * self.bank.sample_frames(64, self.seed) - 1)
        mean, deviation = motion.mean(0), motion.std(0)
        encoder.fc[-1].weight.div_(deviation[:, None])
        encoder.fc[-1].bias.sub_(mean).div_(deviation)

    @property
    def idle(self) -> list[str]:
        """Parameters that the original has in its file and does not use."""
        return [name for name, _ in self.networks.named_parameters() if ".noise." in name or ".to_rgb1." in name]

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        made = self.reconstruct(batch.source, batch.driving)
        losses = {
            "pixels": PIXELS * 2 * (made - batch.driving).abs().mean(),  # on [-1, 1]
            "perceptual": self.pyramid(made, batch.driving),
        }
        if batch.progress >= ADVERSARIAL_FROM:
            generator, discriminator = adversarial_losses(self.discriminator, made, batch.driving)
            losses |= {"adversarial": ADVERSARIAL * generator, "discriminator": discriminator}
        return losses

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return (self.networks["gen"](2 * source - 1, 2 * driving - 1) + 1) / 2
