"""Sizes of face-vid2vid's renderer, and its networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.blocks.vid2vid.appearance import AppearanceExtractor
from baselines.blocks.vid2vid.spade import SpadeDecoder
from baselines.blocks.vid2vid.warping import DenseMotion, WarpingModule


@dataclass(frozen=True)
class RendererConfig:
    """Widths and depths.

    `frame_size`: side of an input frame in pixels; the volume is 2^`downs` times smaller, `channels` x `depth` planes
    deep. `ups`: widths of the decoder's doublings; the picture has the volume's side x 2^len(`ups`) x `upscale`.
    """

    frame_size: int = 256
    width: int = 64
    downs: int = 2
    channels: int = 32
    depth: int = 16
    blocks_3d: int = 6
    keypoints: int = 15
    bins: int = 66
    compress: int = 4
    hourglass_width: int = 32
    hourglass_blocks: int = 5
    hourglass_max_width: int = 1024
    mask_kernel: int = 7
    spade_hidden: int = 128
    spade_blocks: int = 6
    ups: tuple[int, ...] = (256, 64)
    upscale: int = 1

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

    def build_appearance(self) -> AppearanceExtractor:
        """From a portrait to its volume."""
        return AppearanceExtractor(self.width, self.downs, self.planes, self.channels, self.depth, self.blocks_3d)

    def build_warping(self) -> WarpingModule:
        """From a volume and two sets of keypoints to the features of the moved face."""
        dense_motion = DenseMotion(
            self.channels, self.depth, self.keypoints, self.compress, self.hourglass_width, self.hourglass_blocks,
            self.hourglass_max_width, self.mask_kernel,
        )  # fmt: skip
        return WarpingModule(self.planes, self.guide, dense_motion)

    def build_decoder(self) -> SpadeDecoder:
        """From those features to the picture."""
        return SpadeDecoder(self.guide, self.spade_hidden, self.spade_blocks, self.ups, self.upscale)


TOY: dict[str, Any] = {  # of a renderer at 64 px that is trained in a run of the suite
    "frame_size": 64, "width": 6, "channels": 6, "depth": 4, "blocks_3d": 1, "keypoints": 8, "compress": 1,
    "hourglass_width": 8, "hourglass_blocks": 3, "hourglass_max_width": 64, "mask_kernel": 3, "spade_hidden": 12,
    "spade_blocks": 1, "ups": (12,), "upscale": 2,
}  # fmt: skip
