"""Sizes of one U-Net of the family, and what the recorded configurations of the originals say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class MotionConfig:
    """Motion modules (AnimateDiff): `attentions` temporal self-attentions and one feed-forward layer each.

    places: length of the positional table, the longest window with its motion frames
    levels: those of the U-Net that have motion modules on the way down and up, None for all; the middle has one anyway
    """

    heads: int = 8
    places: int = 32
    attentions: int = 2
    levels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class UNetConfig:
    """One U-Net: Stable Diffusion 1.5's at the default values.

    widths: channels per level; each level but the last halves the side
    attention: per level, whether its residual blocks are followed by transformers
    layers: residual blocks per level on the way down; one more on the way up
    heads: of every spatial and audio attention
    groups: of every group norm
    token_dim: width of the tokens of the cross-attention, None for none
    out_channels: of the prediction, None for a network that only stores its features
    motion: motion modules after every layer, None for none
    audio_dim: width of the audio tokens of Hallo's hierarchical audio attention, None for none
    """

    in_channels: int = 4
    out_channels: int | None = 4
    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    attention: tuple[bool, ...] = (True, True, True, False)
    layers: int = 2
    heads: int = 8
    groups: int = 32
    token_dim: int | None = 768
    motion: MotionConfig | None = None
    audio_dim: int | None = None

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.attention):
            raise ValueError(f"{len(self.widths)} widths, but attention is given for {len(self.attention)} levels")
        if not any(self.attention):
            raise ValueError("a level with attention is needed: that is where a portrait is seen")
        uneven = [width for width in self.widths if width % self.heads or width % self.groups]
        if uneven:
            raise ValueError(f"width {uneven[0]} is no multiple of {self.heads} heads and {self.groups} groups")

    def moves(self, level: int) -> bool:
        """Whether a level has motion modules."""
        return self.motion is not None and (self.motion.levels is None or level in self.motion.levels)

    def reference(self, **changed: Any) -> UNetConfig:
        """Of the reference U-Net that goes with this denoising U-Net: neither motion, sound nor prediction."""
        return replace(self, out_channels=None, motion=None, audio_dim=None, **changed)


FIXED = {  # what the originals never vary and the networks here do not offer
    "act_fn": "silu",
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-5,
    "use_inflated_groupnorm": True,
    "unet_use_cross_frame_attention": False,
    "unet_use_temporal_attention": False,
    "use_motion_module": True,
    "motion_module_mid_block": True,
    "motion_module_decoder_only": False,
    "motion_module_type": "Vanilla",
}
FIXED_MOTION = {"num_transformer_block": 1, "temporal_position_encoding": True, "temporal_attention_dim_div": 1}


def published(sizes: Mapping[str, Any]) -> UNetConfig:
    """From the constructor arguments of an original, as a sidecar records them.

    Raises ValueError for a choice that none of the published networks makes.
    """
    _require(sizes, FIXED)
    widths = tuple(sizes["block_out_channels"])
    attention = tuple("CrossAttn" in kind for kind in sizes["down_block_types"])
    if attention[::-1] != tuple("CrossAttn" in kind for kind in sizes["up_block_types"]):
        raise ValueError("the levels with attention must be the same on the way down and up")
    return UNetConfig(
        in_channels=sizes["in_channels"],
        out_channels=sizes.get("out_channels", 4),
        widths=widths,
        attention=attention,
        layers=sizes["layers_per_block"],
        heads=sizes["attention_head_dim"],  # diffusers' name for it
        groups=sizes["norm_num_groups"],
        token_dim=sizes["cross_attention_dim"],
        motion=_motion(sizes, len(widths)) if sizes.get("use_motion_module") else None,
        audio_dim=_audio_dim(sizes, len(widths)) if sizes.get("use_audio_module") else None,
    )


def _motion(sizes: Mapping[str, Any], levels: int) -> MotionConfig:
    given = sizes["motion_module_kwargs"]
    _require(given, FIXED_MOTION)
    if set(given["attention_block_types"]) != {"Temporal_Self"}:
        raise ValueError(f"attention_block_types: only Temporal_Self is known, not {given['attention_block_types']}")
    return MotionConfig(
        heads=given["num_attention_heads"],
        places=given["temporal_position_encoding_max_len"],
        attentions=len(given["attention_block_types"]),
        levels=tuple(level for level in range(levels) if 1 << level in sizes["motion_module_resolutions"]),
    )


def _audio_dim(sizes: Mapping[str, Any], levels: int) -> int:
    everywhere = {"up", "down", "mid"} <= set(sizes["stack_enable_blocks_name"])
    if not everywhere or not set(range(levels)) <= set(sizes["stack_enable_blocks_depth"]):
        raise ValueError("hierarchical audio attention is needed in every block")
    return sizes["audio_attention_dim"]


def _require(given: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    for name, value in fixed.items():
        if given.get(name, value) != value:
            raise ValueError(f"{name} must be {value!r}, not {given[name]!r}")
