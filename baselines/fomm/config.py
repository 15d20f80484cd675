"""Sizes of FOMM: `official` as released for VoxCeleb at 256 px, `mini` for 64 px, trained in a run of the suite."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.grids import Sampling


@dataclass(frozen=True)
class FOMMConfig:
    """`scale_factor`: keypoints and motion are found at this fraction of the frame size."""

    frame_size: int = 256
    channels: int = 3
    keypoints: int = 10
    temperature: float = 0.1
    jacobian: bool = True
    occlusion: bool = True
    scale_factor: float = 0.25
    hourglass_blocks: int = 5
    hourglass_most: int = 1024
    detector_base: int = 32
    motion_base: int = 64
    base: int = 64
    most: int = 512
    kernel: int = 7  # of the first and the last convolution of every network
    down_blocks: int = 2
    bottleneck_blocks: int = 6
    kp_variance: float = 0.01
    # the released weights were trained with torch 1.0, whose grid_sample behaved as align_corners=True does now
    sampling: Sampling = Sampling(grid_sample=True, interpolate=False)


SIZES = {
    "official": FOMMConfig(),
    "mini": FOMMConfig(
        frame_size=64,
        scale_factor=0.25,
        hourglass_blocks=3,
        hourglass_most=128,
        detector_base=8,
        motion_base=8,
        base=8,
        most=32,
        kernel=3,
        bottleneck_blocks=2,
    ),
}


def build(config: FOMMConfig) -> dict[str, nn.Module]:
    """Freshly initialised networks by their keys in the released file."""
    from baselines.fomm.generator import Generator
    from baselines.fomm.keypoints import KPDetector

    return {"generator": Generator(config), "kp_detector": KPDetector(config)}
