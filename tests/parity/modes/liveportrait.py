"""LivePortrait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.liveportrait import config
from baselines.liveportrait.keypoints import Motion, relative_keypoints
from baselines.liveportrait.retargeting import stitch
from tests.parity.modes import Fields, Mode, set_sampling

HIDDEN = {config.STITCHING: "stitching_hidden", config.LIPS: "lip_hidden", config.EYES: "eye_hidden"}


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    sizes = {name: entry["config"] for name, entry in meta["modules"].items()}
    appearance, warping, decoder, motion = (
        sizes.get(name, {})
        for name in ("appearance_feature_extractor", "warping_module", "spade_generator", "motion_extractor")
    )
    dense = warping.get("dense_motion_params", {})
    if (backbone := motion.get("backbone", "convnextv2_tiny")) != "convnextv2_tiny":
        raise ValueError(f"the motion extractor {backbone} is not ConvNeXt V2 Tiny")
    either = decoder | warping | appearance
    given = {
        "width": either.get("block_expansion"),
        "downs": either.get("num_down_blocks"),
        "channels": either.get("reshape_channel"),
        "depth": appearance.get("reshape_depth", dense.get("reshape_depth")),
        "blocks_3d": appearance.get("num_resblocks"),
        "keypoints": (warping | motion).get("num_kp"),
        "compress": dense.get("compress"),
        "hourglass_width": dense.get("block_expansion"),
        "hourglass_blocks": dense.get("num_blocks"),
        "hourglass_max_width": dense.get("max_features"),
        "upscale": decoder.get("upscale"),
    }
    given |= {field: tuple(sizes[name]["hidden_sizes"]) for name, field in HIDDEN.items() if name in sizes}
    built = config.build(config.Config(**{field: value for field, value in given.items() if value is not None}))
    return {name: module for name, module in built.items() if name in sizes}


def appearance(modules, inputs, uses, params, align_corners) -> Fields:
    return {"feature_3d": modules["appearance_feature_extractor"](inputs["image"])}


def motion(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["motion_extractor"](inputs["image"])


def _motion(raw: Fields, params: Mapping[str, Any]) -> Motion:
    if raw["pitch"].shape[1] != params["bins"]:
        raise ValueError(f"the case counts {params['bins']} bins per angle, the network {raw['pitch'].shape[1]}")
    return Motion.from_raw(raw, params["degrees_per_bin"], params["degree_offset"])


def rotation(modules, inputs, uses, params, align_corners) -> Fields:
    return {"R": _motion(uses["motion"], params).rotation}


def keypoints(modules, inputs, uses, params, align_corners) -> Fields:
    return {"x": _motion(uses["motion"], params).keypoints()}


def relative(modules, inputs, uses, params, align_corners) -> Fields:
    motions = []
    for role in ("source", "driving", "initial"):
        raw = uses[f"motion_{role}"]
        kp, exp = (raw[name].unflatten(1, (-1, 3)) for name in ("kp", "exp"))
        motions.append(Motion(kp, exp, uses[f"R_{role}"]["R"], raw["scale"], raw["t"]))
    return {"x": relative_keypoints(*motions)}


def warp_and_decode(modules, inputs, uses, params, align_corners) -> Fields:
    warping = modules["warping_module"]
    set_sampling(warping, align_corners)
    warped = warping(uses["feature_3d"]["feature_3d"], uses["kp_source"]["x"], uses["kp_driving"]["x"])
    return {
        "occlusion_map": warped.occlusion,
        "deformation": warped.deformation,
        "warped_out": warped.out,
        "mask": warped.mask,
        "image": modules["spade_generator"](warped.out),
    }


def stitching(modules, inputs, uses, params, align_corners) -> Fields:
    return {"x": stitch(modules[config.STITCHING], uses["kp_source"]["x"], uses["kp_driving"]["x"])}


def retarget(modules, inputs, uses, params, align_corners) -> Fields:
    return {"delta": modules[params["module"]](inputs["features"])}


MODES: dict[str, Mode] = {
    "appearance": appearance,
    "motion": motion,
    "rotation": rotation,
    "keypoints": keypoints,
    "relative_keypoints": relative,
    "absolute": warp_and_decode,
    "relative": warp_and_decode,
    "stitching": stitching,
    "retarget": retarget,
}
