"""Motion of the background, one affine map for the whole picture (MRAA, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.grids import homogeneous
from baselines.blocks.hourglass import Encoder, width
from baselines.mraa.config import MRAAConfig


class BGMotionPredictor(nn.Module):
    """Source and driving frame, each (B, 3, H, W) -> (B, 3, 3): background position in driving -> in source."""

    def __init__(self, config: MRAAConfig):
        super().__init__()
        base, blocks, most = config.background_base, config.background_blocks, config.background_most
        self.encoder = Encoder(base, 2 * config.channels, blocks, most)
        self.fc = nn.Linear(width(base, blocks, most), 6)
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        source = source.expand(len(driving), -1, -1, -1)
        features = self.encoder(torch.cat([source, driving], dim=1))[-1]  # (B, C, H / 32, W / 32)
        return homogeneous(self.fc(features.mean(dim=(2, 3))))
