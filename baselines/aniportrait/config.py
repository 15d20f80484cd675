"""Sizes of AniPortrait: the published networks at 512 px, and a toy of the same architecture; both work at 30 fps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.aniportrait.audio2mesh import Audio2Mesh
from baselines.aniportrait.audio2pose import Audio2Pose
from baselines.aniportrait.hearing import Hearing, MelHearing
from baselines.aniportrait.pose_guider import PoseGuider
from baselines.blocks.diffusion.config import DiffusionConfig, build_unets, toy_unet
from baselines.blocks.diffusion.embedding import BUNDLED_DIM
from baselines.blocks.reference_unet import MotionConfig, UNetConfig
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
class Config(DiffusionConfig):
    """U-Nets as in `DiffusionConfig`.

    guider_widths: of the pose guider's trunk; the second and following halve the side, the last one does not
    guider_heads, guider_head_dim: of the pose guider's self-attentions
    guider_drawings: that the pose guider looks at: the frame's, and if there are 2 the portrait's
    line_width: of the drawings, in 1/512 of a frame
    """

    audio: AudioConfig = AudioConfig()
    guider_widths: tuple[int, ...] = (16, 32, 64, 128)
    guider_heads: int = 16
    guider_head_dim: int = 88
    guider_drawings: int = 1
    line_width: int = WIDTH


SIZES = {
    "official": Config(UNetConfig(motion=MotionConfig())),
    "mini": Config(
        toy_unet((48, 64), token_dim=BUNDLED_DIM),
        frame_size=64,
        toy=True,
        audio=AudioConfig(
            hearing=48, points=68, latent=64, layers=2, heads=4, places=300, turn_scale=1.0, anchored=True
        ),
        guider_widths=(8, 16, 32, 64),
        guider_heads=2,
        guider_head_dim=16,
        guider_drawings=2,
        line_width=8,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the official files."""
    return diffusion_networks(config) | audio_networks(config.audio)


def diffusion_networks(config: Config) -> dict[str, nn.Module]:
    """From a drawing and a portrait to frames; with the codec where it is one of the networks."""
    unet = config.denoising
    guider = PoseGuider(
        unet.widths, config.guider_widths, config.guider_heads, config.guider_head_dim, unet.groups,
        config.guider_drawings,
    )  # fmt: skip
    if config.toy:
        guider.final_proj.reset_parameters()  # there is no trained U-Net whose features it could disturb
    return build_unets(config) | {"pose_guider": guider}


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
