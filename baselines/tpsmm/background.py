"""Motion of the background, one affine map for the whole picture (TPSMM, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.grids import homogeneous
from baselines.tpsmm.config import TPSMMConfig
from baselines.tpsmm.encoder import ResNet18


class BGMotionPredictor(nn.Module):
    """Source and driving frame, each (B, 3, H, W) -> (B, 3, 3): background position in driving -> in source."""

    def __init__(self, config: TPSMMConfig):
        super().__init__()
        self.bg_encoder = ResNet18(2 * config.channels, 6, config.encoder_base)
        nn.init.zeros_(self.bg_encoder.fc.weight)
        with torch.no_grad():
            self.bg_encoder.fc.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        source = source.expand(len(driving), -1, -1, -1)
        return homogeneous(self.bg_encoder(torch.cat([source, driving], dim=1)))
