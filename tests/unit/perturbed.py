"""Untrained networks in which nothing is idle: noise in layers that start at zero and in the statistics of norms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

KEPT = ("weight_u", "weight_v", "down.weight")  # directions of spectral norms, and fixed blurs


@torch.no_grad()
def perturb(modules: Mapping[str, nn.Module]) -> None:
    """Add noise of deviation 0.05 to every parameter and buffer; running variances become 0.5 to 1.5."""
    for module in modules.values():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.dtype.is_floating_point and not name.endswith(KEPT):
                value.add_(0.05 * torch.randn_like(value))


def ready(modules: Mapping[str, nn.Module], dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    """The modules in evaluation mode and of one dtype."""
    return {name: module.eval().to(dtype) for name, module in modules.items()}
