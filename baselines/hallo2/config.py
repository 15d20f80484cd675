"""Sizes of Hallo2: the published networks at 512 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.diffusion.config import DiffusionConfig, build_unets, toy_unet
from baselines.blocks.diffusion.embedding import BUNDLED_DIM
from baselines.blocks.reference_unet import MotionConfig, UNetConfig
from baselines.blocks.reference_unet.locator import FaceLocator
from baselines.blocks.reference_unet.projections import AudioProjection, ImageProjection


@dataclass(frozen=True)
class Config(DiffusionConfig):
    """U-Nets as in `DiffusionConfig`.

    embedding_dim: of the face embedding, which becomes `image_tokens` tokens
    audio_window, audio_layers, audio_channels: frames around each frame, layers of the speech network and their width,
        which become `audio_tokens` tokens through `audio_hidden` units
    motion_frames: of the window before, put before each window
    """

    locator_channels: int = 3
    locator_widths: tuple[int, ...] = (16, 32, 64, 128)
    embedding_dim: int = 512
    image_tokens: int = 4
    audio_window: int = 5
    audio_layers: int = 12
    audio_channels: int = 768
    audio_hidden: int = 512
    audio_tokens: int = 32
    motion_frames: int = 2


SIZES = {
    "official": Config(UNetConfig(motion=MotionConfig(), audio_dim=768)),
    "mini": Config(
        toy_unet((32, 64), token_dim=32, audio_dim=32),
        frame_size=64,
        toy=True,
        locator_widths=(8, 16, 32, 32),
        audio_layers=2,
        audio_channels=80,
        audio_hidden=64,
        audio_tokens=4,
        embedding_dim=BUNDLED_DIM,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the top level of the official checkpoint."""
    unet = config.denoising
    features = config.audio_window * config.audio_layers * config.audio_channels
    return build_unets(config) | {
        "face_locator": FaceLocator(config.locator_channels, config.locator_widths, unet.widths[0]),
        "imageproj": ImageProjection(config.embedding_dim, unet.token_dim, config.image_tokens),
        "audioproj": AudioProjection(features, config.audio_hidden, unet.audio_dim, config.audio_tokens),
    }
