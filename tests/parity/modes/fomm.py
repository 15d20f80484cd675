"""FOMM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.fomm.config import FOMMConfig
from baselines.fomm.config import build as build_networks
from baselines.fomm.keypoints import relative
from tests.parity.modes import Fields, Mode, set_sampling


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    sizes = {name: entry["config"] for name, entry in meta["modules"].items()}
    generator, detector = sizes.get("generator", {}), sizes.get("kp_detector", {})
    motion = generator.get("dense_motion_params", {})
    either = generator | detector
    config = FOMMConfig(
        channels=either["num_channels"],
        keypoints=either["num_kp"],
        jacobian=either["estimate_jacobian"],
        temperature=detector.get("temperature", 0.1),
        occlusion=generator.get("estimate_occlusion_map", True),
        scale_factor=(motion or detector)["scale_factor"],
        hourglass_blocks=(motion or detector)["num_blocks"],
        hourglass_most=(motion or detector)["max_features"],
        detector_base=detector.get("block_expansion", 32),
        motion_base=motion.get("block_expansion", 64),
        base=generator.get("block_expansion", 64),
        most=generator.get("max_features", 512),
        down_blocks=generator.get("num_down_blocks", 2),
        bottleneck_blocks=generator.get("num_bottleneck_blocks", 6),
    )
    return {name: module for name, module in build_networks(config).items() if name in sizes}


def keypoints(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["kp_detector"](inputs["image"])


def absolute(modules, inputs, uses, params, align_corners) -> Fields:
    set_sampling(modules["generator"], align_corners)
    return modules["generator"](inputs["source"], uses["kp_source"], uses["kp_driving"])


def relative_keypoints(modules, inputs, uses, params, align_corners) -> Fields:
    return relative(
        uses["kp_source"],
        uses["kp_driving"],
        uses["kp_initial"],
        params["adapt_movement_scale"],
        params["relative_jacobian"],
    )


MODES: dict[str, Mode] = {
    "keypoints": keypoints,
    "absolute": absolute,
    "relative_keypoints": relative_keypoints,
    "relative": absolute,
}
