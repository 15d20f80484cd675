"""Sizes of LivePortrait: the published networks (256 px in, 512 px out) and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.vid2vid.appearance import AppearanceExtractor
from baselines.blocks.vid2vid.spade import SpadeDecoder
from baselines.blocks.vid2vid.warping import DenseMotion, WarpingModule
from baselines.liveportrait.motion import MotionExtractor
from baselines.liveportrait.retargeting import KeypointMLP

STITCHING, LIPS, EYES = (f"stitching_retargeting/{part}" for part in ("stitching", "lip", "eye"))


@dataclass(frozen=True)
class Config:
    """Widths and depths of the seven networks.

    `frame_size`: side of an input frame; the volume is 2^`downs` times smaller, `channels` x `depth` planes deep.
    `retargeting`: whether there are networks for stitching, eyes and lips; their training needs more than frames.
    `ups`: widths of the decoder's doublings; the picture has the volume's side x 2^len(`ups`) x `upscale`.
    """

    frame_size: int = 256
    width: int = 64
    downs: int = 2
    channels: int = 32
    depth: int = 16
    blocks_3d: int = 6
    keypoints: int = 21
    bins: int = 66
    convnext_depths: tuple[int, ...] = (3, 3, 9, 3)
    convnext_dims: tuple[int, ...] = (96, 192, 384, 768)
    compress: int = 4
    hourglass_width: int = 32
    hourglass_blocks: int = 5
    hourglass_max_width: int = 1024
    mask_kernel: int = 7
    spade_hidden: int = 128
    spade_blocks: int = 6
    ups: tuple[int, ...] = (256, 64)
    upscale: int = 2
    retargeting: bool = True
    stitching_hidden: tuple[int, ...] = (128, 128, 64)
    lip_hidden: tuple[int, ...] = (128, 128, 64)
    eye_hidden: tuple[int, ...] = (256, 256, 128, 128, 64)

    @property
    def planes(self) -> int:
        """Planes of the flattened volume."""
        return self.channels * self.depth

    @property
    def guide(self) -> int:
        """Channels of the features the decoder paints."""
        return min(self.planes, self.width << self.downs)

    @property
    def output_size(self) -> int:
        """Side of a generated picture in pixels."""
        return (self.frame_size >> self.downs << len(self.ups)) * self.upscale


SIZES = {
    "official": Config(),
    "mini": Config(
        frame_size=64,
        width=6,
        channels=6,
        depth=4,
        blocks_3d=1,
        keypoints=8,
        convnext_depths=(1, 1, 2, 1),
        convnext_dims=(32, 64, 128, 256),
        compress=1,
        hourglass_width=8,
        hourglass_blocks=3,
        hourglass_max_width=64,
        mask_kernel=3,
        spade_hidden=12,
        spade_blocks=1,
        ups=(12,),
        retargeting=False,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files; the three small ones by their role in one file."""
    dense_motion = DenseMotion(
        config.channels, config.depth, config.keypoints, config.compress, config.hourglass_width,
        config.hourglass_blocks, config.hourglass_max_width, config.mask_kernel,
    )  # fmt: skip
    modules: dict[str, nn.Module] = {
        "appearance_feature_extractor": AppearanceExtractor(
            config.width, config.downs, config.planes, config.channels, config.depth, config.blocks_3d
        ),
        "motion_extractor": MotionExtractor(
            config.convnext_depths, config.convnext_dims, config.keypoints, config.bins
        ),
        "warping_module": WarpingModule(config.planes, config.guide, dense_motion),
        "spade_generator": SpadeDecoder(
            config.guide, config.spade_hidden, config.spade_blocks, config.ups, config.upscale
        ),
    }
    return modules | (build_retargeting(config) if config.retargeting else {})


def build_retargeting(config: Config) -> dict[str, nn.Module]:
    """The small networks for stitching, lips and eyes alone."""
    points = 3 * config.keypoints
    return {
        STITCHING: KeypointMLP(2 * points, config.stitching_hidden, points + 2),
        LIPS: KeypointMLP(points + 2, config.lip_hidden, points),
        EYES: KeypointMLP(points + 3, config.eye_hidden, points),
    }
