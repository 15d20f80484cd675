"""Tiny U-Nets of the reference-U-Net family and numbers for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import MotionConfig, UNetConfig

METHODS = ("hallo2", "aniportrait", "echomimic")
PLACES = 6
TINY = UNetConfig(
    in_channels=3, out_channels=3, widths=(8, 12), attention=(True, False), layers=1, heads=2, groups=4, token_dim=5,
    motion=MotionConfig(heads=2, places=PLACES),
)  # fmt: skip
SIDE = 4
EXACT = {"rtol": 1e-4, "atol": 1e-5}  # batches of other sizes round differently


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """No parameter is zero, so that every layer has a say."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
        parameter.data.normal_(0, spread, generator=generator).add_(parameter.dim() == 1)
    return network.eval()


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
