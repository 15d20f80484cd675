"""What the sizes of the reference-U-Net rivals share, and the networks that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from baselines.blocks.diffusion.codec import PatchLatents
from baselines.blocks.diffusion.toy import ToyDenoisingUNet, ToyReferenceUNet
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig

STRIDE = 8  # pixels of a latent's side: of Stable Diffusion's VAE, and of the toys' codec and condition networks


@dataclass(frozen=True)
class DiffusionConfig:
    """`denoising`: of the denoising U-Net; the reference U-Net is the same without motion, sound and prediction.

    frame_size: side of a frame in pixels
    toy: whether these are `ToyReferenceUNet` and `ToyDenoisingUNet` with a codec of their own, not Stable Diffusion's
    """

    denoising: UNetConfig
    frame_size: int = 512
    toy: bool = False

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.frame_size // STRIDE


def toy_unet(widths: tuple[int, int], token_dim: int, audio_dim: int | None = None) -> UNetConfig:
    """Two levels over latents of 48 channels, the first with attention and motion modules."""
    return UNetConfig(
        in_channels=48,
        out_channels=48,
        widths=widths,
        attention=(True, False),
        layers=1,
        heads=2,
        groups=8,
        token_dim=token_dim,
        motion=MotionConfig(heads=2, places=16, attentions=1, levels=(0,)),
        audio_dim=audio_dim,
    )


def build_unets(config: DiffusionConfig, **reference: Any) -> dict[str, nn.Module]:
    """Both U-Nets, and the codec where it is one of the networks; `reference`: in what else the first U-Net differs."""
    unet = config.denoising
    first, second = (ToyReferenceUNet, ToyDenoisingUNet) if config.toy else (ReferenceUNet, DenoisingUNet)
    codec = {"codec": PatchLatents(config.frame_size, STRIDE, unet.in_channels)} if config.toy else {}
    return codec | {"reference_unet": first(unet.reference(**reference)), "denoising_unet": second(unet)}
