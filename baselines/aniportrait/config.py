"""Sizes of AniPortrait's diffusion stage: the published networks at 512 px and a toy of the same architecture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.aniportrait.pose_guider import PoseGuider
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig


@dataclass(frozen=True)
class Config:
    """`denoising`: of the denoising U-Net; the reference U-Net is the same without motion and prediction.

    frame_size: side of a frame in pixels; latents have its side / 2^(len(`guider_widths`) - 1)
    guider_widths: of the pose guider's trunk; the second and following halve the side, the last one does not
    guider_heads, guider_head_dim: of the pose guider's self-attentions
    """

    denoising: UNetConfig
    frame_size: int = 512
    guider_widths: tuple[int, ...] = (16, 32, 64, 128)
    guider_heads: int = 16
    guider_head_dim: int = 88

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.frame_size >> len(self.guider_widths) - 1


SIZES = {
    "official": Config(UNetConfig(motion=MotionConfig())),
    "mini": Config(
        UNetConfig(
            widths=(32, 48, 64),
            attention=(False, True, True),
            layers=1,
            heads=2,
            groups=8,
            token_dim=32,
            motion=MotionConfig(heads=2, places=16, attentions=1, levels=(1, 2)),
        ),
        frame_size=64,
        guider_widths=(8, 16, 32),
        guider_heads=2,
        guider_head_dim=16,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files."""
    unet = config.denoising
    return {
        "reference_unet": ReferenceUNet(unet.reference()),
        "denoising_unet": DenoisingUNet(unet),
        "pose_guider": PoseGuider(
            unet.widths, config.guider_widths, config.guider_heads, config.guider_head_dim, unet.groups
        ),
    }
