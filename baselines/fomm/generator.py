"""The generator: features of the source, moved by the dense motion, masked where occluded, decoded (section 3.3)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock
from baselines.blocks.grids import resize, warp
from baselines.blocks.hourglass import width
from baselines.fomm.config import FOMMConfig
from baselines.fomm.keypoints import Keypoints
from baselines.fomm.motion import DenseMotionNetwork, Motion


class Generator(nn.Module):
    """Source (B, 3, H, W) in [0, 1], its keypoints and those of the driving frame -> the source in that pose."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.sampling = config.sampling
        widths = [width(config.base, level, config.most) for level in range(config.down_blocks + 1)]
        self.dense_motion_network = DenseMotionNetwork(config)
        self.first = SameBlock(config.channels, config.base, config.kernel)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.bottleneck = nn.Sequential(
            OrderedDict((f"r{i}", ResBlock(widths[-1])) for i in range(config.bottleneck_blocks))
        )
        self.up_blocks = nn.ModuleList(UpBlock(b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.final = nn.Conv2d(config.base, config.channels, config.kernel, padding=config.kernel // 2)

    def forward(self, source: Tensor, kp_source: Keypoints, kp_driving: Keypoints) -> dict[str, Tensor]:
        """`prediction` (B, 3, H, W) in [0, 1], `deformed` (the source moved) and the fields of Motion."""
        motion = self.dense_motion_network(source, kp_driving, kp_source)
        prediction = self.decode(self.encode(source), motion)
        deformed = warp(source, motion["deformation"], self.sampling)
        return {"prediction": prediction, "deformed": deformed, **motion}

    def encode(self, source: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H / 4, W / 4) with the released two down blocks; depends on nothing but the source."""
        features = self.first(source)
        for block in self.down_blocks:
            features = block(features)
        return features

    def decode(self, features: Tensor, motion: Motion) -> Tensor:
        """Features of `encode` (1 or B of them) and the motion -> image (B, 3, H, W) in [0, 1]."""
        features = warp(features, motion["deformation"], self.sampling)
        if "occlusion_map" in motion:
            features = features * resize(motion["occlusion_map"], features.shape[-2:], self.sampling)
        features = self.bottleneck(features)
        for block in self.up_blocks:
            features = block(features)
        return torch.sigmoid(self.final(features))
