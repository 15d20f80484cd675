"""Modes of EchoMimic's golden runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.echomimic import config
from tests.parity.modes._reference_unet import Fields, Uses, denoise, doubled, modes, unet_sizes, write


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    locator = meta["modules"]["face_locator"]["config"]
    widths, channels = tuple(locator["block_out_channels"]), locator["conditioning_channels"]
    unet = unet_sizes(meta, token_dim=None)  # its reference U-Net has no cross-attention
    return config.build(config.Config(unet, locator_widths=widths, locator_channels=channels))


def condition(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return {"features": modules["face_locator"](inputs["condition"].repeat(params["batch"], 1, 1, 1, 1))}


def reference(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return write(modules, inputs, None, params)


def predict(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return denoise(
        modules, inputs, uses, params,
        tokens=doubled(inputs["audio_tokens"], params),
        token_scale=params["audio_feature_ratio"],
        condition=uses["condition"]["features"],
    )  # fmt: skip


MODES = modes(condition, reference, predict)
