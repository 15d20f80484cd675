"""Sizes of EchoMimic: the published networks at 512 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.diffusion.config import DiffusionConfig, build_unets, toy_unet
from baselines.blocks.reference_unet import MotionConfig, UNetConfig
from baselines.blocks.reference_unet.locator import FaceLocator


@dataclass(frozen=True)
class Config(DiffusionConfig):
    """U-Nets as in `DiffusionConfig`; `token_dim` of the denoising one is the width of its audio tokens, and the
    reference U-Net has no cross-attention.

    locator_channels: 1 for a face mask, 3 for drawn landmarks
    audio_tokens: per frame (5 layers of Whisper-tiny x 10 of its frames)
    audio_feature_ratio: factor on the audio attention in all published runs
    """

    locator_channels: int = 1
    locator_widths: tuple[int, ...] = (16, 32, 96, 256)
    audio_tokens: int = 50
    audio_feature_ratio: float = 3.0


SIZES = {
    "official": Config(UNetConfig(token_dim=384, motion=MotionConfig())),
    "mini": Config(
        toy_unet((48, 64), token_dim=96), frame_size=64, toy=True, locator_widths=(8, 16, 32, 32), audio_tokens=10
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files."""
    locator = FaceLocator(config.locator_channels, config.locator_widths, config.denoising.widths[0])
    return build_unets(config, token_dim=None) | {"face_locator": locator}
