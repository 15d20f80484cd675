"""LIA's recipe: L1, perceptual pyramid and a non-saturating adversarial term (section 3.3), on images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from baselines.training.adversarial import Discriminator, adversarial_losses
from baselines.training.perceptual import Maps
from baselines.training.stage import PairBatch, PairStage, optimiser
from semo.train.data import FrameBank

PIXELS = 1.0
ADVERSARIAL = 0.1
ADVERSARIAL_FROM = 0.5  # share of the budget after which there is something to judge


class Training(PairStage):
    name = "lia"
    optimiser = optimiser(lr=2e-3, betas=(0.0, 0.99))

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        super().__init__(networks, bank, maps, seed)
        self.discriminator = Discriminator()

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
