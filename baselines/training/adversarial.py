"""The adversarial term, for a training loop with one optimiser.

Generator and discriminator are trained by the same step: the generator's term sees the discriminator with fixed
parameters, the discriminator's term sees the generator's images without their history, and both are summed. AdamW
treats every parameter by itself, so this is what two optimisers with the same settings would do, stepped together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


class Discriminator(nn.Module):
    """A small patch discriminator: image (B, 3, H, W) in [0, 1] -> logits (B, 1, H/16, W/16)."""

    def __init__(self, width: int = 16, blocks: int = 4):
        super().__init__()
        layers, channels = [], 3
        for _ in range(blocks):
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels, width = width, 2 * width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(2 * x - 1)


def adversarial_losses(discriminator: nn.Module, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Non-saturating losses (Goodfellow et al., 2014) of the generator and of the discriminator.

    The gradient of the first reaches only what made `made`, that of the second only the discriminator.
    """
    fixed = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    generator = F.softplus(-functional_call(discriminator, fixed, (made,))).mean()
    judged = discriminator(torch.cat([made.detach(), real]))
    fake, true = judged.chunk(2)
    return generator, F.softplus(fake).mean() + F.softplus(-true).mean()
