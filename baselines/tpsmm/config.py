"""Sizes of TPSMM: `official` as released for VoxCeleb at 256 px, `mini` for 64 px, trained in a run of the suite."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.grids import Sampling

POINTS = 5  # control points of one spline


@dataclass(frozen=True)
class TPSMMConfig:
    """`splines`: thin-plate splines, of five keypoints each. `scale_factor`: motion is found at this fraction of the
    frame size. `encoder_base`: channels of the first stage of the ResNets.
    """

    frame_size: int = 256
    channels: int = 3
    splines: int = 10
    scale_factor: float = 0.25
    hourglass_blocks: int = 5
    hourglass_most: int = 1024
    motion_base: int = 64
    encoder_base: int = 64
    base: int = 64
    most: int = 512
    kernel: int = 7  # of the first and the last convolution of every network
    down_blocks: int = 3
    level_blocks: int = 2  # residual blocks at every level of the decoder
    kp_variance: float = 0.01
    avd: bool = True  # with the network that transfers motion between people, which is trained by itself, later
    avd_identity: int = 128
    avd_pose: int = 128
    sampling: Sampling = Sampling(grid_sample=True, interpolate=True)


SIZES = {
    "official": TPSMMConfig(),
    "mini": TPSMMConfig(
        frame_size=64,
        scale_factor=0.25,
        hourglass_blocks=3,
        hourglass_most=128,
        splines=4,
        motion_base=8,
        encoder_base=8,
        base=8,
        most=32,
        kernel=3,
        down_blocks=2,
        level_blocks=1,
        avd=False,
    ),
}


def build(config: TPSMMConfig) -> dict[str, nn.Module]:
    """Freshly initialised networks by their keys in the released file."""
    from baselines.tpsmm.avd import AVDNetwork
    from baselines.tpsmm.background import BGMotionPredictor
    from baselines.tpsmm.inpainting import InpaintingNetwork
    from baselines.tpsmm.keypoints import KPDetector
    from baselines.tpsmm.motion import DenseMotionNetwork

    networks: dict[str, nn.Module] = {
        "inpainting_network": InpaintingNetwork(config),
        "dense_motion_network": DenseMotionNetwork(config),
        "kp_detector": KPDetector(config),
        "bg_predictor": BGMotionPredictor(config),
    }
    if config.avd:
        networks["avd_network"] = AVDNetwork(config)
    return networks
