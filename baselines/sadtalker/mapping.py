"""The mapping network: a window of coefficients becomes head pose and keypoint offsets of its middle frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEADS = ("yaw", "pitch", "roll", "t", "exp")
RADIUS = 13  # frames before and after the one that a window describes
SHRINK = 3  # frames a residual block takes from either end of a window


class MappingNet(nn.Module):
    """Coefficients (B, C, window) -> `yaw`, `pitch`, `roll` (B, bins), `t` (B, 3), `exp` (B, 3 K), raw."""

    def __init__(self, coefficients: int, width: int, layers: int, keypoints: int, bins: int):
        super().__init__()
        self.layers = layers
        self.first = nn.Sequential(nn.Conv1d(coefficients, width, 7))
        for layer in range(layers):
            block = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv1d(width, width, 3, dilation=SHRINK))
            self.add_module(f"encoder{layer}", block)
        sizes = dict.fromkeys(HEADS[:3], bins) | {"t": 3, "exp": 3 * keypoints}
        for name, size in sizes.items():
            self.add_module(f"fc_{name}", nn.Linear(width, size))

    def forward(self, coefficients: Tensor) -> dict[str, Tensor]:
        x = self.first(coefficients)
        for layer in range(self.layers):
            x = self.get_submodule(f"encoder{layer}")(x) + x[..., SHRINK:-SHRINK]
        x = x.mean(-1)
        return {name: self.get_submodule(f"fc_{name}")(x) for name in HEADS}


def windows(coefficients: Tensor, middles: Tensor) -> Tensor:
    """Coefficients (T, C), frames (B,) -> those around each frame (B, C, 2 RADIUS + 1), the ends repeated."""
    around = torch.arange(-RADIUS, RADIUS + 1, device=middles.device)
    return coefficients[(middles[:, None] + around).clamp(0, len(coefficients) - 1)].mT
