"""Modes of Hallo2's golden runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import Audio
from baselines.blocks.reference_unet.audio import REGIONS
from baselines.hallo2 import config
from tests.parity.modes._reference_unet import Fields, Uses, denoise, doubled, modes, unet_sizes, write


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    sizes = {name: module["config"] for name, module in meta["modules"].items()}
    image, audio, locator = sizes["imageproj"], sizes["audioproj"], sizes["face_locator"]
    full = config.SIZES["official"]
    return config.build(
        config.Config(
            unet_sizes(meta),
            locator_channels=locator.get("conditioning_channels", full.locator_channels),
            locator_widths=tuple(locator.get("block_out_channels", full.locator_widths)),
            embedding_dim=image["clip_embeddings_dim"],
            image_tokens=image["clip_extra_context_tokens"],
            audio_window=audio["seq_len"],
            audio_layers=audio["blocks"],
            audio_channels=audio["channels"],
            audio_hidden=audio["intermediate_dim"],
            audio_tokens=audio["context_tokens"],
        )
    )


def image_tokens(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return {"tokens": modules["imageproj"](inputs["embedding"])}


def audio_tokens(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return {"tokens": modules["audioproj"](inputs["features"])}


def condition(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return {"features": modules["face_locator"](inputs["condition"].repeat(params["batch"], 1, 1, 1, 1))}


def _tokens(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict) -> Tensor:
    nobody = modules["imageproj"](torch.zeros_like(inputs["embedding"]))
    return doubled(uses["image_tokens"]["tokens"], params, nobody)


def reference(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    return write(modules, inputs, _tokens(modules, inputs, uses, params), params)


def predict(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align: dict) -> Fields:
    order = [params["mask_order"].index(region) for region in REGIONS]
    masks = [mask[order, :size] for mask, size in zip(inputs["mask"], params["mask_sizes"], strict=True)]
    sound = doubled(uses["audio_tokens"]["tokens"], params)
    return denoise(
        modules, inputs, uses, params,
        tokens=_tokens(modules, inputs, uses, params),
        audio=Audio(sound, masks, tuple(params["motion_scale"])),
        condition=doubled(uses["condition"]["features"], params),
    )  # fmt: skip


MODES = {"image_tokens": image_tokens, "audio_tokens": audio_tokens} | modes(condition, reference, predict)
