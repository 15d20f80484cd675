"""Sizes of AniPortrait: the published networks at 512 px, and a toy of the same architecture; both work at 30 fps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.aniportrait.audio2mesh import Audio2Mesh
from baselines.aniportrait.audio2pose import Audio2Pose
from baselines.aniportrait.hearing import Hearing, MelHearing
from baselines.aniportrait.pose_guider import PoseGuider
from baselines.blocks.diffusion.codec import PatchLatents
from baselines.blocks.diffusion.embedding import BUNDLED_DIM
from baselines.blocks.diffusion.toy import ToyDenoisingUNet, ToyReferenceUNet
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig
from baselines.inputs.drawing import WIDTH


@dataclass(frozen=True)
class AudioConfig:
    """Of audio2mesh and audio2pose.

    hearing: width of the toy that stands in for wav2vec2-base, None for wav2vec2-base itself
    points: of the face mesh; latent: width of both networks
    layers, heads: of the transformer that makes head motion; places: frames it can make at once; ids: its styles
    turn_scale: factor on the predicted angles
    anchored: whether vertices move by the difference to what is predicted for the first frame, so that it keeps the
        portrait's face; the published networks predict the distance from it
    """

    hearing: int | None = None
    points: int = 468
    latent: int = 512
    layers: int = 8
    heads: int = 8
    places: int = 600
    ids: int = 100
    turn_scale: float = 0.5  # in upstream's script, without a reason given
    anchored: bool = False


@dataclass(frozen=True)
class Config:
    """`denoising`: of the denoising U-Net; the reference U-Net is the same without motion and prediction.

    frame_size: side of a frame in pixels; latents have its side / 2^(len(`guider_widths`) - 1)
    guider_widths: of the pose guider's trunk; the second and following halve the side, the last one does not
    guider_heads, guider_head_dim: of the pose guider's self-attentions
    guider_drawings: that the pose guider looks at: the frame's, and if there are 2 the portrait's
    line_width: of the drawings, in 1/512 of a frame
    toy: whether these are `ToyReferenceUNet` and `ToyDenoisingUNet` with a codec of their own, not Stable Diffusion's
    """

    denoising: UNetConfig
    audio: AudioConfig = AudioConfig()
    frame_size: int = 512
    guider_widths: tuple[int, ...] = (16, 32, 64, 128)
    guider_heads: int = 16
    guider_head_dim: int = 88
    guider_drawings: int = 1
    line_width: int = WIDTH
    toy: bool = False

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.frame_size >> len(self.guider_widths) - 1


SIZES = {
    "official": Config(UNetConfig(motion=MotionConfig())),
    "mini": Config(
        UNetConfig(
            in_channels=48,
            out_channels=48,
            widths=(48, 64),
            attention=(True, False),
            layers=1,
            heads=2,
            groups=8,
            token_dim=BUNDLED_DIM,
            motion=MotionConfig(heads=2, places=16, attentions=1, levels=(0,)),
        ),
        AudioConfig(hearing=48, points=68, latent=64, layers=2, heads=4, places=300, turn_scale=1.0, anchored=True),
        frame_size=64,
        guider_widths=(8, 16, 32, 64),
        guider_heads=2,
        guider_head_dim=16,
        guider_drawings=2,
        line_width=8,
        toy=True,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files."""
    return diffusion_networks(config) | audio_networks(config.audio)


def diffusion_networks(config: Config) -> dict[str, nn.Module]:
    """From a drawing and a portrait to frames; with the codec where it is one of the networks."""
    unet = config.denoising
    codec = PatchLatents(config.frame_size, config.frame_size // config.latent_size, unet.in_channels)
    reference, denoising = (ToyReferenceUNet, ToyDenoisingUNet) if config.toy else (ReferenceUNet, DenoisingUNet)
    guider = PoseGuider(
        unet.widths, config.guider_widths, config.guider_heads, config.guider_head_dim, unet.groups,
        config.guider_drawings,
    )  # fmt: skip
    if config.toy:
        guider.final_proj.reset_parameters()  # there is no trained U-Net whose features it could disturb
    return ({"codec": codec} if config.toy else {}) | {
        "reference_unet": reference(unet.reference()),
        "denoising_unet": denoising(unet),
        "pose_guider": guider,
    }


def audio_networks(config: AudioConfig) -> dict[str, nn.Module]:
    """From sound to the mesh and to head motion."""
    return {
        "audio2mesh": Audio2Mesh(_hearing(config), config.latent, config.points),
        "audio2pose": Audio2Pose(
            _hearing(config), config.latent, config.layers, config.heads, config.places, config.ids
        ),
    }


def _hearing(config: AudioConfig) -> Hearing:
    if config.hearing is not None:
        return MelHearing(config.hearing)
    from baselines.aniportrait.wav2vec2 import Wav2Vec2Hearing

    return Wav2Vec2Hearing()
