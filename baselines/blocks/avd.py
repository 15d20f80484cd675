"""Animation via disentanglement: one perceptron reads who from the source, one the pose from the driving frame.

From MRAA (CVPR 2021), section 3.4; TPSMM (CVPR 2022) uses it on its keypoints.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTHS = (256, 512, 1024)


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers of these widths, batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for taken, given in pairwise(widths):
        layers += [nn.Linear(taken, given), nn.BatchNorm1d(given), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class Disentangler(nn.Module):
    """Numbers of the source (B, N) and of the driving frame (B, N) -> of the source in the driving pose (B, N)."""

    def __init__(self, numbers: int, identity: int, pose: int):
        super().__init__()
        self.id_encoder = perceptron(numbers, *WIDTHS, identity)
        self.pose_encoder = perceptron(numbers, *WIDTHS, pose)
        self.decoder = perceptron(pose + identity, *reversed(WIDTHS), numbers)

    def disentangle(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.decoder(torch.cat([self.pose_encoder(driving), self.id_encoder(source)], dim=1))
