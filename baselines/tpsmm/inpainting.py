"""The generator: the source's features at every level, moved, masked where occluded, and painted in (section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock, instance_norm
from baselines.blocks.grids import warp
from baselines.blocks.hourglass import width
from baselines.tpsmm.config import TPSMMConfig
from baselines.tpsmm.motion import Motion


class InpaintingNetwork(nn.Module):
    """Source (B, 3, H, W) in [0, 1] and its Motion -> the source in the driving pose."""

    def __init__(self, config: TPSMMConfig):
        super().__init__()
        self.sampling = config.sampling
        self.level_blocks = config.level_blocks
        widths = [width(config.base, level, config.most) for level in range(config.down_blocks + 1)]
        self.first = SameBlock(config.channels, widths[0], config.kernel, norm=instance_norm)
        self.down_blocks = nn.ModuleList(
            DownBlock(a, b, norm=instance_norm) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.resblock, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(config.down_blocks)):
            # all but the deepest level have the moved map of the encoder concatenated
            taken = widths[level + 1] * (1 if level == config.down_blocks - 1 else 2)
            self.resblock.extend(ResBlock(taken, norm=instance_norm) for _ in range(config.level_blocks))
            self.up_blocks.append(UpBlock(taken, widths[level], norm=instance_norm))
        self.final = nn.Conv2d(widths[0], config.channels, config.kernel, padding=config.kernel // 2)

    def forward(self, source: Tensor, motion: Motion) -> dict[str, Tensor | list[Tensor]]:
        """`prediction` (B, 3, H, W) in [0, 1], `deformed` (the source moved), `warped_encoder_maps` coarse to fine."""
        prediction, moved = self.decode(source, self.encode(source), motion)
        deformed = warp(source, motion["deformation"], self.sampling)
        return {"prediction": prediction, "deformed": deformed, "warped_encoder_maps": moved}

    def encode(self, source: Tensor) -> list[Tensor]:
        """Features of the source at every level, fine to coarse; they depend on nothing else."""
        maps = [self.first(source)]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps

    def decode(self, source: Tensor, maps: list[Tensor], motion: Motion) -> tuple[Tensor, list[Tensor]]:
        """Source and its maps of `encode` (1 or B of them) and the motion -> image in [0, 1], moved maps."""
        occlusion = motion["occlusion_map"]
        moved = [
            warp(features, motion["deformation"], self.sampling) * seen
            for features, seen in zip(reversed(maps), occlusion, strict=True)
        ]
        out = moved[0]
        for index, block in enumerate(self.up_blocks):
            for residual in self.resblock[index * self.level_blocks : (index + 1) * self.level_blocks]:
                out = residual(out)
            out = block(out)
            if index + 1 < len(self.up_blocks):
                out = torch.cat([out, moved[index + 1]], dim=1)
        seen = occlusion[-1]
        out = torch.sigmoid(self.final(out * (1 - seen) + moved[-1]))
        source = warp(source, motion["deformation"], self.sampling)
        return out * (1 - seen) + source * seen, moved
