"""Sizes of Hallo2: the published networks at 512 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.diffusion.codec import PatchLatents
from baselines.blocks.diffusion.embedding import BUNDLED_DIM
from baselines.blocks.diffusion.toy import ToyDenoisingUNet, ToyReferenceUNet
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig
from baselines.blocks.reference_unet.locator import FaceLocator
from baselines.blocks.reference_unet.projections import AudioProjection, ImageProjection


@dataclass(frozen=True)
class Config:
    """`denoising`: of the denoising U-Net; the reference U-Net is the same without motion, sound and prediction.

    frame_size: side of a frame in pixels; latents have its side / 2^(len(`locator_widths`) - 1)
    embedding_dim: of the face embedding, which becomes `image_tokens` tokens
    audio_window, audio_layers, audio_channels: frames around each frame, layers of the speech network and their width,
        which become `audio_tokens` tokens through `audio_hidden` units
    motion_frames: of the window before, put before each window
    toy: whether these are `ToyReferenceUNet` and `ToyDenoisingUNet` with a codec of their own, not Stable Diffusion's
    """

    denoising: UNetConfig
    frame_size: int = 512
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
    toy: bool = False

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.frame_size >> len(self.locator_widths) - 1


SIZES = {
    "official": Config(UNetConfig(motion=MotionConfig(), audio_dim=768)),
    "mini": Config(
        UNetConfig(
            in_channels=48,
            out_channels=48,
            widths=(32, 64),
            attention=(True, False),
            layers=1,
            heads=2,
            groups=8,
            token_dim=32,
            motion=MotionConfig(heads=2, places=16, attentions=1, levels=(0,)),
            audio_dim=32,
        ),
        frame_size=64,
        locator_widths=(8, 16, 32, 32),
        audio_layers=2,
        audio_channels=80,
        audio_hidden=64,
        audio_tokens=4,
        embedding_dim=BUNDLED_DIM,
        toy=True,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the top level of the official checkpoint."""
    unet = config.denoising
    features = config.audio_window * config.audio_layers * config.audio_channels
    codec = PatchLatents(config.frame_size, config.frame_size // config.latent_size, unet.in_channels)
    reference, denoising = (ToyReferenceUNet, ToyDenoisingUNet) if config.toy else (ReferenceUNet, DenoisingUNet)
    return ({"codec": codec} if config.toy else {}) | {
        "reference_unet": reference(unet.reference()),
        "denoising_unet": denoising(unet),
        "face_locator": FaceLocator(config.locator_channels, config.locator_widths, unet.widths[0]),
        "imageproj": ImageProjection(config.embedding_dim, unet.token_dim, config.image_tokens),
        "audioproj": AudioProjection(features, config.audio_hidden, unet.audio_dim, config.audio_tokens),
    }
