"""Modes of AniPortrait's golden runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.aniportrait.config import SIZES
from baselines.aniportrait.pose_guider import PoseGuider
from baselines.blocks.reference_unet import DenoisingUNet, ReferenceUNet
from tests.parity.modes._reference_unet import Fields, Uses, denoise, doubled, modes, unet_sizes, write


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    unet, guider = unet_sizes(meta), meta["modules"]["pose_guider"]["config"]
    width = guider["noise_latent_channels"]
    if not guider["use_ca"] or unet.widths != (width, 2 * width, 4 * width, 4 * width):
        raise ValueError(f"no pose guider of width {width} (use_ca: {guider['use_ca']}) for levels of {unet.widths}")
    full = SIZES["official"]  # the guider's trunk and attentions have one size
    return {
        "reference_unet": ReferenceUNet(unet.reference()),
        "denoising_unet": DenoisingUNet(unet),
        "pose_guider": PoseGuider(
            unet.widths, full.guider_widths, full.guider_heads, full.guider_head_dim, unet.groups
        ),
    }


def condition(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    features = modules["pose_guider"](inputs["condition"].repeat(params["batch"], 1, 1, 1, 1))
    return {f"features.{level}": feature for level, feature in enumerate(features)}


def reference(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return write(modules, inputs, doubled(inputs["tokens"], params), params)


def predict(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    features = list(uses["condition"].values())
    return denoise(modules, inputs, uses, params, tokens=doubled(inputs["tokens"], params), condition=features)


MODES = modes(condition, reference, predict)
