"""TPSMM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.tpsmm.config import TPSMMConfig
from baselines.tpsmm.config import build as build_networks
from baselines.tpsmm.keypoints import relative
from tests.parity.modes import Fields, Mode, set_sampling


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    sizes = {name: entry["config"] for name, entry in meta["modules"].items()}
    painter, motion = sizes.get("inpainting_network", {}), sizes.get("dense_motion_network", {})
    detector, avd = sizes.get("kp_detector", {}), sizes.get("avd_network", {})
    config = TPSMMConfig(
        channels=(detector | painter | motion).get("num_channels", 3),
        splines=(avd | detector | painter | motion).get("num_tps", 10),
        scale_factor=motion.get("scale_factor", 0.25),
        hourglass_blocks=motion.get("num_blocks", 5),
        hourglass_most=motion.get("max_features", 1024),
        motion_base=motion.get("block_expansion", 64),
        base=painter.get("block_expansion", 64),
        most=painter.get("max_features", 512),
        down_blocks=painter.get("num_down_blocks", 3),
        avd_identity=avd.get("id_bottle_size", 128),
        avd_pose=avd.get("pose_bottle_size", 128),
    )
    return {name: module for name, module in build_networks(config).items() if name in sizes}


def keypoints(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["kp_detector"](inputs["image"])


def background(modules, inputs, uses, params, align_corners) -> Fields:
    return {"bg_param": modules["bg_predictor"](inputs["source"], inputs["driving"])}


def absolute(modules, inputs, uses, params, align_corners) -> Fields:
    dense, painter = modules["dense_motion_network"], modules["inpainting_network"]
    set_sampling(dense, align_corners)
    set_sampling(painter, align_corners)
    if params.get("dropout"):
        raise ValueError("drop-out of splines is random: it has no golden output")
    moved = uses["bg_param"]["bg_param"] if params["background"] else None
    motion = dense(inputs["source"], uses["kp_driving"], uses["kp_source"], moved)
    painted = painter(inputs["source"], motion)
    return numbered(motion, "occlusion_map") | numbered(painted, "warped_encoder_maps")


def numbered(fields: Mapping[str, Any], name: str) -> Fields:
    """The same fields, the list `name` as `name.0`, `name.1`, ..."""
    return {key: value for key, value in fields.items() if key != name} | {
        f"{name}.{index}": value for index, value in enumerate(fields[name])
    }


def relative_keypoints(modules, inputs, uses, params, align_corners) -> Fields:
    return relative(uses["kp_source"], uses["kp_driving"], uses["kp_initial"], params["adapt_movement_scale"])


def avd(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["avd_network"](uses["kp_source"], uses["kp_driving"])


MODES: dict[str, Mode] = {
    "keypoints": keypoints,
    "background": background,
    "absolute": absolute,
    "absolute_no_bg": absolute,
    "relative_keypoints": relative_keypoints,
    "relative": absolute,
    "avd": avd,
}
