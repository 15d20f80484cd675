"""Control points of the splines, found without supervision (TPSMM, section 3.1), and motion relative to a frame."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn

from baselines.blocks.grids import movement_scale
from baselines.tpsmm.config import POINTS, TPSMMConfig
from baselines.tpsmm.encoder import ResNet18


class Keypoints(TypedDict):
    """`fg_kp` (B, 5 K, 2): positions in [-1, 1], five for each of K splines."""

    fg_kp: Tensor


class KPDetector(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> Keypoints."""

    def __init__(self, config: TPSMMConfig):
        super().__init__()
        self.fg_encoder = ResNet18(config.channels, 2 * POINTS * config.splines, config.encoder_base)

    def forward(self, image: Tensor) -> Keypoints:
        return {"fg_kp": torch.sigmoid(self.fg_encoder(image)).mul(2).sub(1).unflatten(1, (-1, 2))}


def relative(source: Keypoints, driving: Keypoints, initial: Keypoints, adapt_movement_scale: bool = True) -> Keypoints:
    """Points of the source moved as the driving points moved since their frame `initial`.

    `adapt_movement_scale` scales displacements by the ratio of the faces' extents. Equals `driving` where source and
    initial are the same frame.
    """
    scale = movement_scale(source["fg_kp"], initial["fg_kp"]) if adapt_movement_scale else 1.0
    return {"fg_kp": (driving["fg_kp"] - initial["fg_kp"]) * scale + source["fg_kp"]}
