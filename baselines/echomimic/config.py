"""Sizes of EchoMimic: the published networks at 512 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.diffusion.codec import PatchLatents
from baselines.blocks.diffusion.toy import ToyDenoisingUNet, ToyReferenceUNet
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig
from baselines.blocks.reference_unet.locator import FaceLocator


@dataclass(frozen=True)
class Config:
    """`denoising`: of the denoising U-Net, `token_dim` the width of its audio tokens; the reference U-Net is the same
    without motion, prediction and cross-attention.

    frame_size: side of a frame in pixels; latents have its side / 2^(len(`locator_widths`) - 1)
    locator_channels: 1 for a face mask, 3 for drawn landmarks
    audio_tokens: per frame (5 layers of Whisper-tiny x 10 of its frames)
    audio_feature_ratio: factor on the audio attention in all published runs
    toy: whether these are `ToyReferenceUNet` and `ToyDenoisingUNet` with a codec of their own, not Stable Diffusion's
    """

    denoising: UNetConfig
    frame_size: int = 512
    locator_channels: int = 1
    locator_widths: tuple[int, ...] = (16, 32, 96, 256)
    audio_tokens: int = 50
    audio_feature_ratio: float = 3.0
    toy: bool = False

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.frame_size >> len(self.locator_widths) - 1


SIZES = {
    "official": Config(UNetConfig(token_dim=384, motion=MotionConfig())),
    "mini": Config(
        UNetConfig(
            in_channels=48,
            out_channels=48,
            widths=(48, 64),
            attention=(True, False),
            layers=1,
            heads=2,
            groups=8,
            token_dim=96,
            motion=MotionConfig(heads=2, places=16, attentions=1, levels=(0,)),
        ),
        frame_size=64,
        locator_widths=(8, 16, 32, 32),
        audio_tokens=10,
        toy=True,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files."""
    unet = config.denoising
    codec = PatchLatents(config.frame_size, config.frame_size // config.latent_size, unet.in_channels)
    reference, denoising = (ToyReferenceUNet, ToyDenoisingUNet) if config.toy else (ReferenceUNet, DenoisingUNet)
    return ({"codec": codec} if config.toy else {}) | {
        "reference_unet": reference(unet.reference(token_dim=None)),
        "denoising_unet": denoising(unet),
        "face_locator": FaceLocator(config.locator_channels, config.locator_widths, unet.widths[0]),
    }
