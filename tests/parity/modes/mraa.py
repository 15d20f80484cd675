"""MRAA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.mraa.config import MRAAConfig
from baselines.mraa.config import build as build_networks
from baselines.mraa.regions import relative
from tests.parity.modes import Fields, Mode, set_sampling


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    sizes = {name: entry["config"] for name, entry in meta["modules"].items()}
    generator, regions = sizes.get("generator", {}), sizes.get("region_predictor", {})
    background, avd = sizes.get("bg_predictor", {}), sizes.get("avd_network", {})
    motion = generator.get("pixelwise_flow_predictor_params", {})
    config = MRAAConfig(
        channels=(background | regions | generator).get("num_channels", 3),
        regions=(avd | regions | generator).get("num_regions", 10),
        temperature=regions.get("temperature", 0.1),
        scale_factor=(motion or regions).get("scale_factor", 0.25),
        hourglass_blocks=(motion or regions).get("num_blocks", 5),
        hourglass_most=(motion or regions).get("max_features", 1024),
        region_base=regions.get("block_expansion", 32),
        motion_base=motion.get("block_expansion", 64),
        background_base=background.get("block_expansion", 32),
        background_most=background.get("max_features", 1024),
        background_blocks=background.get("num_blocks", 5),
        base=generator.get("block_expansion", 64),
        most=generator.get("max_features", 512),
        down_blocks=generator.get("num_down_blocks", 2),
        bottleneck_blocks=generator.get("num_bottleneck_blocks", 6),
        skips=generator.get("skips", True),
        revert_axis_swap=(avd | generator).get("revert_axis_swap", True),
        avd_identity=avd.get("id_bottle_size", 64),
        avd_pose=avd.get("pose_bottle_size", 64),
    )
    return {name: module for name, module in build_networks(config).items() if name in sizes}


def regions(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["region_predictor"](inputs["image"])


def background(modules, inputs, uses, params, align_corners) -> Fields:
    return {"bg_params": modules["bg_predictor"](inputs["source"], inputs["driving"])}


def absolute(modules, inputs, uses, params, align_corners) -> Fields:
    generator = modules["generator"]
    set_sampling(generator, align_corners)
    moved = uses["bg_params"]["bg_params"] if params["background"] else None
    return generator(inputs["source"], uses["region_source"], uses["region_driving"], moved)


def relative_regions(modules, inputs, uses, params, align_corners) -> Fields:
    moved = relative(
        uses["region_source"],
        uses["region_driving"],
        uses["region_initial"],
        params["adapt_movement_scale"],
        params["relative_affine"],
    )
    return {**moved, "covar": uses[params["covar_from"]]["covar"]}


def avd(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["avd_network"](uses["region_source"], uses["region_driving"])


MODES: dict[str, Mode] = {
    "regions": regions,
    "background": background,
    "absolute": absolute,
    "absolute_no_bg": absolute,
    "relative_regions": relative_regions,
    "relative": absolute,
    "avd": avd,
}
