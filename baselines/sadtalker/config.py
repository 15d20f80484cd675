"""Sizes of SadTalker: the published networks at 256 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.blocks.vid2vid.config import TOY, RendererConfig
from baselines.sadtalker.audio2exp import ExpNet
from baselines.sadtalker.audio2pose import Audio2Pose
from baselines.sadtalker.face_recon import FaceRecon
from baselines.sadtalker.keypoints import KPDetector
from baselines.sadtalker.mapping import MappingNet
from baselines.sadtalker.pose_vae import POSE
from baselines.sadtalker.renderer import FaceRenderer


@dataclass(frozen=True)
class Config(RendererConfig):
    """Widths and depths of the six networks; the renderer's as in `RendererConfig`.

    `expressions`: numbers of an expression; with the six of the pose they are the coefficients of a frame.
    `face_recon`: whether a network reads those of the source; without it they come from its `Face`.
    """

    # canonical keypoints
    detector_width: int = 32
    detector_blocks: int = 5
    detector_max_width: int = 1024
    detector_planes: int = 16384
    detector_scale: float = 0.25
    temperature: float = 0.1
    # coefficients and what they are mapped to
    expressions: int = 64
    mapping_width: int = 1024
    mapping_layers: int = 3
    face_recon: bool = True
    # sound
    audio_width: int = 32
    pose_audio_width: int = 32
    pose_frames: int = 32
    pose_latent: int = 64
    pose_classes: int = 46
    pose_audio: int = 6
    pose_hidden: int = 128
    pose_unet: tuple[int, ...] = (32, 64, 128, 256)
    pose_discriminator: int = 256

    @property
    def coefficients(self) -> int:
        return self.expressions + POSE


SIZES = {
    "official": Config(),
    "mini": Config(
        **TOY,
        detector_width=8,
        detector_blocks=3,
        detector_max_width=64,
        detector_planes=256,
        detector_scale=0.25,
        mapping_width=64,
        face_recon=False,
        audio_width=8,
        pose_audio_width=4,
        pose_frames=16,
        pose_latent=16,
        pose_unet=(8, 16, 32, 64),
        pose_discriminator=32,
    ),
}


def build_renderer(config: Config) -> FaceRenderer:
    """The three networks that turn a portrait and keypoints into a frame, as one."""
    return FaceRenderer(config.build_appearance(), config.build_warping(), config.build_decoder())


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks by their names in the official files."""
    modules: dict[str, nn.Module] = {
        "generator": build_renderer(config),
        "kp_extractor": KPDetector(
            config.detector_width, config.detector_blocks, config.detector_max_width, config.depth,
            config.detector_planes, config.keypoints, config.detector_scale, config.temperature,
        ),
        "mapping": MappingNet(
            config.coefficients, config.mapping_width, config.mapping_layers, config.keypoints, config.bins
        ),
        "audio2exp": ExpNet(config.audio_width, config.expressions),
        "audio2pose": Audio2Pose(
            config.pose_audio_width, config.pose_frames, config.pose_latent, config.pose_classes, config.pose_audio,
            config.pose_hidden, config.pose_unet, config.pose_discriminator,
        ),
    }  # fmt: skip
    return modules | ({"face_3drecon": FaceRecon()} if config.face_recon else {})
