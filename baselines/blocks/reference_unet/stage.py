"""The levels of a U-Net: residual blocks, each followed by attention to the picture, to sound and to time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from baselines.blocks.reference_unet.audio import AudioTransformer
from baselines.blocks.reference_unet.config import UNetConfig
from baselines.blocks.reference_unet.motion import MotionModule
from baselines.blocks.reference_unet.passes import Pass
from baselines.blocks.reference_unet.residual import ResidualBlock
from baselines.blocks.reference_unet.spatial import SpatialTransformer


class Stage(nn.Module):
    """inputs: channels that its residual blocks take
    slots: places of its transformers in the banks, empty without attention
    heard: inner widths of its layers' audio attention
    moves: whether motion modules follow
    """

    def __init__(
        self,
        config: UNetConfig,
        level: int,
        inputs: Sequence[int],
        slots: Sequence[int],
        heard: Sequence[int],
        moves: bool,
    ):
        super().__init__()
        width, heads, groups = config.widths[level], config.heads, config.groups
        self.attentions = nn.ModuleList(
            SpatialTransformer(width, heads, groups, config.token_dim, slot) for slot in slots
        )
        self.resnets = nn.ModuleList(ResidualBlock(taken, width, 4 * config.widths[0], groups) for taken in inputs)
        self.audio_modules = nn.ModuleList(
            AudioTransformer(width, heads, groups, config.audio_dim, level, inner)
            for inner in (heard if slots and config.audio_dim is not None else ())
        )
        self.motion_modules = nn.ModuleList(
            MotionModule(width, groups, config.motion) for _ in (heard if moves else ())
        )

    def attend(self, index: int, x: Tensor, run: Pass) -> Tensor:
        """All that follows residual block `index`."""
        before = None
        if self.attentions:
            x = self.attentions[index](x, run)
            before = run.banks.motion(self.attentions[index].slot) if run.banks else None
        if self.audio_modules and not run.still:
            x = self.audio_modules[index](x, run)
        if self.motion_modules and not run.still:
            x = self.motion_modules[index](x, run.rows, before)
        return x


class DownStage(Stage):
    def __init__(self, config: UNetConfig, level: int, slots: Sequence[int]):
        width = config.widths[level]
        inputs = [config.widths[max(level - 1, 0)]] + [width] * (config.layers - 1)
        super().__init__(config, level, inputs, slots, heard=inputs, moves=config.moves(level))
        last = level == len(config.widths) - 1
        self.downsamplers = nn.ModuleList([] if last else [Downsample2D(width, use_conv=True, padding=1, name="op")])

    def forward(self, x: Tensor, run: Pass) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W) -> the same with the sides halved (not at the last level), and what the way up needs."""
        skips = []
        for index, resnet in enumerate(self.resnets):
            x = self.attend(index, resnet(x, run.embedding), run)
            skips.append(x)
        if self.downsamplers:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x, skips


class MidStage(Stage):
    def __init__(self, config: UNetConfig, slots: Sequence[int]):
        level = len(config.widths) - 1
        width = config.widths[level]
        super().__init__(config, level, [width, width], slots, heard=[width], moves=config.motion is not None)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        first, second = self.resnets
        return second(self.attend(0, first(x, run.embedding), run), run.embedding)


class UpStage(Stage):
    def __init__(self, config: UNetConfig, level: int, slots: Sequence[int]):
        width, layers = config.widths[level], config.layers + 1
        below = config.widths[min(level + 1, len(config.widths) - 1)]
        above = config.widths[max(level - 1, 0)]
        skips = [width] * config.layers + [above]
        carried = [below] + [width] * config.layers
        inputs = [kept + skipped for kept, skipped in zip(carried, skips)]
        super().__init__(config, level, inputs, slots, heard=[above] * layers, moves=config.moves(level))
        self.upsamplers = nn.ModuleList([Upsample2D(width, use_conv=True)] if level else [])

    def forward(self, x: Tensor, skips: list[Tensor], run: Pass) -> Tensor:
        """Takes its skips from the end of the list; doubles the side (not at level 0)."""
        for index, resnet in enumerate(self.resnets):
            x = self.attend(index, resnet(torch.cat((x, skips.pop()), 1), run.embedding), run)
            if run.ended:
                return x
        if self.upsamplers:
            x = self.upsamplers[0](x, output_size=skips[-1].shape[2:])
        return x
