"""The generator: the source's features at every level, moved by the flow and blended in where visible (section 3.3)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock
from baselines.blocks.grids import resize, warp
from baselines.blocks.hourglass import width
from baselines.mraa.config import MRAAConfig
from baselines.mraa.motion import Flow, PixelwiseFlowPredictor
from baselines.mraa.regions import Regions


class Generator(nn.Module):
    """Source (B, 3, H, W) in [0, 1], its regions and those of the driving frame -> the source in that pose."""

    def __init__(self, config: MRAAConfig):
        super().__init__()
        self.sampling = config.sampling
        self.skips = config.skips
        widths = [width(config.base, level, config.most) for level in range(config.down_blocks + 1)]
        self.pixelwise_flow_predictor = PixelwiseFlowPredictor(config)
        self.first = SameBlock(config.channels, config.base, config.kernel)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.bottleneck = nn.Sequential(
            OrderedDict((f"r{i}", ResBlock(widths[-1])) for i in range(config.bottleneck_blocks))
        )
        self.up_blocks = nn.ModuleList(UpBlock(b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.final = nn.Conv2d(config.base, config.channels, config.kernel, padding=config.kernel // 2)

    def forward(
        self, source: Tensor, region_source: Regions, region_driving: Regions, background: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`prediction` (B, 3, H, W) in [0, 1], `deformed` (the source moved) and the fields of Flow."""
        flow = self.pixelwise_flow_predictor(source, region_driving, region_source, background)
        prediction = self.decode(source, self.encode(source), flow)
        return {"prediction": prediction, "deformed": warp(source, flow["optical_flow"], self.sampling), **flow}

    def encode(self, source: Tensor) -> list[Tensor]:
        """Features of the source at every level, fine to coarse; they depend on nothing else."""
        maps = [self.first(source)]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps

    def decode(self, source: Tensor, maps: list[Tensor], flow: Flow) -> Tensor:
        """Source and its maps of `encode` (1 or B of them) and the flow -> image (B, 3, H, W) in [0, 1]."""
        features = self.visible(maps[-1], flow)
        features = self.bottleneck(features)
        for block, skip in zip(self.up_blocks, maps[:0:-1], strict=True):
            if self.skips:
                features = self.visible(skip, flow, features)
            features = block(features)
        if self.skips:
            features = self.visible(maps[0], flow, features)
        image = torch.sigmoid(self.final(features))
        return self.visible(source, flow, image) if self.skips else image

    def visible(self, maps: Tensor, flow: Flow, hidden: Tensor | None = None) -> Tensor:
        """`maps` moved by the flow where the source is visible, `hidden` (default 0) where it is occluded."""
        moved = warp(maps, flow["optical_flow"], self.sampling)
        seen = resize(flow["occlusion_map"], maps.shape[-2:], self.sampling)
        return moved * seen if hidden is None else moved * seen + hidden * (1 - seen)
