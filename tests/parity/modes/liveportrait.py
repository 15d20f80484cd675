"""Modes of LivePortrait's golden runs (shared/parity/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from baselines.liveportrait import config, retargeting
from baselines.liveportrait.keypoints import Motion, relative_keypoints

Modules = Mapping[str, nn.Module]
Fields = dict[str, Tensor]
Uses = Mapping[str, Fields]


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    sizes = {name: module["config"] for name, module in meta["modules"].items()}
    appearance, dense = sizes["appearance_feature_extractor"], sizes["warping_module"]["dense_motion_params"]
    if sizes["motion_extractor"]["backbone"] != "convnextv2_tiny":
        raise ValueError(f"the motion extractor {sizes['motion_extractor']['backbone']} is not ConvNeXt V2 Tiny")
    return config.build(
        config.Config(
            width=appearance["block_expansion"],
            downs=appearance["num_down_blocks"],
            channels=appearance["reshape_channel"],
            depth=appearance["reshape_depth"],
            blocks_3d=appearance["num_resblocks"],
            keypoints=sizes["motion_extractor"]["num_kp"],
            compress=dense["compress"],
            hourglass_width=dense["block_expansion"],
            hourglass_blocks=dense["num_blocks"],
            hourglass_max_width=dense["max_features"],
            upscale=sizes["spade_generator"]["upscale"],
            stitching_hidden=tuple(sizes[config.STITCHING]["hidden_sizes"]),
            lip_hidden=tuple(sizes[config.LIPS]["hidden_sizes"]),
            eye_hidden=tuple(sizes[config.EYES]["hidden_sizes"]),
        )
    )


def appearance(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"feature_3d": modules["appearance_feature_extractor"](inputs["image"])}


def motion(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return modules["motion_extractor"](inputs["image"])


def _motion(raw: Fields, params: Mapping[str, Any]) -> Motion:
    if raw["pitch"].shape[1] != params["bins"]:
        raise ValueError(f"the case counts {params['bins']} bins per angle, the network {raw['pitch'].shape[1]}")
    return Motion.from_raw(raw, params["degrees_per_bin"], params["degree_offset"])


def rotation(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"R": _motion(uses["motion"], params).rotation}


def keypoints(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"x": _motion(uses["motion"], params).keypoints()}


def relative(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    """`relative_keypoints`: rotations come from cases of their own."""
    motions = []
    for role in ("source", "driving", "initial"):
        raw = uses[f"motion_{role}"]
        kp, exp = (raw[name].unflatten(1, (-1, 3)) for name in ("kp", "exp"))
        motions.append(Motion(kp, exp, uses[f"R_{role}"]["R"], raw["scale"], raw["t"]))
    return {"x": relative_keypoints(*motions)}


def warp_and_decode(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    if align_corners["grid_sample"]:
        raise ValueError("LivePortrait samples with align_corners=False; the case asks for True")
    volume, source, driving = uses["feature_3d"]["feature_3d"], uses["kp_source"]["x"], uses["kp_driving"]["x"]
    warped = modules["warping_module"](volume, source, driving)
    return {
        "occlusion_map": warped.occlusion,
        "deformation": warped.deformation,
        "warped_out": warped.out,
        "mask": warped.mask,
        "image": modules["spade_generator"](warped.out),
    }


def stitching(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"x": retargeting.stitch(modules[config.STITCHING], uses["kp_source"]["x"], uses["kp_driving"]["x"])}


def retarget(modules: Modules, inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"delta": modules[params["module"]](inputs["features"])}


MODES: dict[str, Callable[..., Fields]] = {
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
