"""Sizes of MRAA: `official` as released for VoxCeleb at 256 px, `mini` for 64 px, trained in a run of the suite."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.grids import Sampling


@dataclass(frozen=True)
class MRAAConfig:
    """`scale_factor`: regions and motion are found at this fraction of the frame size."""

    frame_size: int = 256
    channels: int = 3
    regions: int = 10
    temperature: float = 0.1
    scale_factor: float = 0.25
    hourglass_blocks: int = 5
    hourglass_most: int = 1024
    region_base: int = 32
    motion_base: int = 64
    background_base: int = 32
    background_most: int = 1024
    background_blocks: int = 5
    base: int = 64
    most: int = 512
    kernel: int = 7  # of the first and the last convolution of every network
    down_blocks: int = 2
    bottleneck_blocks: int = 6
    skips: bool = True
    # a region has no front: turn the affine motion so that it maps x to x with a positive factor
    revert_axis_swap: bool = True
    avd: bool = True  # with the network that transfers motion between people, which is trained by itself, later
    avd_identity: int = 64
    avd_pose: int = 64
    sampling: Sampling = Sampling(grid_sample=False, interpolate=False)


SIZES = {
    "official": MRAAConfig(),
    "mini": MRAAConfig(
        frame_size=64,
        scale_factor=0.25,
        hourglass_blocks=3,
        hourglass_most=128,
        region_base=8,
        motion_base=8,
        background_base=8,
        background_most=64,
        background_blocks=4,
        base=8,
        most=32,
        kernel=3,
        bottleneck_blocks=2,
        avd=False,
    ),
}


def build(config: MRAAConfig) -> dict[str, nn.Module]:
    """Freshly initialised networks by their keys in the released file."""
    from baselines.mraa.avd import AVDNetwork
    from baselines.mraa.background import BGMotionPredictor
    from baselines.mraa.generator import Generator
    from baselines.mraa.regions import RegionPredictor

    networks: dict[str, nn.Module] = {
        "generator": Generator(config),
        "bg_predictor": BGMotionPredictor(config),
        "region_predictor": RegionPredictor(config),
    }
    if config.avd:
        networks["avd_network"] = AVDNetwork(config)
    return networks
