"""Modes of LIA's golden runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from baselines.lia import config

Fields = dict[str, Tensor]
Uses = Mapping[str, Fields]


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    sizes = meta["modules"]["gen"]["config"]
    return config.build(config.Config.published(**sizes))


def encode(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    code, features = modules["gen"].enc.net_app(inputs["image"])
    return {"source_code": code} | {f"source_feat.{level}": feature for level, feature in enumerate(features)}


def motion(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"alpha": modules["gen"].enc.motion(inputs["image"])}


def basis(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"direction_basis": modules["gen"].dec.direction.basis()}


def direction(
    modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict
) -> Fields:
    return {"direction": modules["gen"].dec.direction(uses["alpha"]["alpha"])}


def _decode(modules: Mapping[str, nn.Module], uses: Uses, moved: Tensor, params: dict, align_corners: dict) -> Fields:
    if params.get("noise") is not None:
        raise ValueError("LIA runs without noise; the case asks for some")
    source = uses["source"]
    features = [source[f"source_feat.{level}"] for level in range(len(source) - 1)]
    corners = bool(align_corners["grid_sample"])
    made = modules["gen"].dec(source["source_code"] + moved, features, align_corners=corners)
    fields = {"image": made.image}
    for level, (logits, warped) in enumerate(zip(made.logits, made.warped)):
        fields |= {f"flow_mask_logits.{level}": logits, f"warped_feat.{level}": warped}
    return fields


def absolute(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    moved = modules["gen"].dec.direction(uses["alpha_driving"]["alpha"])
    return _decode(modules, uses, moved, params, align_corners)


def relative(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    roles = ("alpha_driving", "alpha_initial", "alpha_source")
    driving, initial, source = (modules["gen"].dec.direction(uses[role]["alpha"]) for role in roles)
    return _decode(modules, uses, (driving - initial) + source, params, align_corners)


MODES: dict[str, Callable[..., Fields]] = {
    "encode": encode,
    "motion": motion,
    "basis": basis,
    "direction": direction,
    "absolute": absolute,
    "relative": relative,
}
