"""Sizes of LivePortrait: the published networks (256 px in, 512 px out) and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.vid2vid.config import TOY, RendererConfig
from baselines.liveportrait.motion import MotionExtractor
from baselines.liveportrait.retargeting import KeypointMLP

STITCHING, LIPS, EYES = (f"stitching_retargeting/{part}" for part in ("stitching", "lip", "eye"))


@dataclass(frozen=True)
class Config(RendererConfig):
    """Widths and depths of the seven networks; the renderer's as in `RendererConfig`.

    `retargeting`: whether there are networks for stitching, eyes and lips; their training needs more than frames.
    """

    keypoints: int = 21
    upscale: int = 2
    convnext_depths: tuple[int, ...] = (3, 3, 9, 3)
    convnext_dims: tuple[int, ...] = (96, 192, 384, 768)
    retargeting: bool = True
    stitching_hidden: tuple[int, ...] = (128, 128, 64)
    lip_hidden: tuple[int, ...] = (128, 128, 64)
    eye_hidden: tuple[int, ...] = (256, 256, 128, 128, 64)


SIZES = {
    "official": Config(),
    "mini": Config(**TOY, convnext_depths=(1, 1, 2, 1), convnext_dims=(32, 64, 128, 256), retargeting=False),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files; the three small ones by their role in one file."""
    modules: dict[str, nn.Module] = {
        "appearance_feature_extractor": config.build_appearance(),
        "motion_extractor": MotionExtractor(
            config.convnext_depths, config.convnext_dims, config.keypoints, config.bins
        ),
        "warping_module": config.build_warping(),
        "spade_generator": config.build_decoder(),
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
