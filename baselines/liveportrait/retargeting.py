"""LivePortrait's small networks on keypoints: stitching, eyes and lips (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class KeypointMLP(nn.Module):
    """Linear layers with ReLU between."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int):
        super().__init__()
        sizes = (inputs, *hidden)
        layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
        self.mlp = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


def stitch(network: nn.Module, source: Tensor, driving: Tensor) -> Tensor:
    """Driving keypoints (B, K, 3) moved so that the shoulders stay where those of the source (1 or B, K, 3) are."""
    source = source.expand_as(driving)
    delta = network(torch.cat([source.flatten(1), driving.flatten(1)], dim=1))  # (B, 3 K + 2)
    moved = driving + delta[:, :-2].unflatten(1, (-1, 3))
    return moved + nn.functional.pad(delta[:, None, -2:], (0, 1))


def retarget(network: nn.Module, source: Tensor, ratios: Tensor) -> Tensor:
    """Offsets (B, K, 3) that open or close eyes or lips; `ratios` (B, 2 or 3): those of the source, then the wanted."""
    return network(torch.cat([source.flatten(1), ratios], dim=1)).unflatten(1, (-1, 3))
