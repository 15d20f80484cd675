"""Sizes of AniTalker: the published networks at 256 px and a toy of the same architecture at 64 px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from baselines.anitalker.predictor import MotionPredictor, Sizes
from baselines.anitalker.renderer import Renderer
from baselines.lia.config import Config as Scales

AUDIO_STATES, MFCC = 25, 39  # hidden states of HuBERT-large; coefficients with their first and second differences
CONTROLS = {"audio_only": (), "pose_only": ("pose",), "full_control": ("location", "face_scale", "pose")}
VARIANTS = tuple(
    f"{features}_{control}" for features in ("hubert", "mfcc") for control in CONTROLS
    if (features, control) != ("mfcc", "audio_only")
)
FILES = {variant: "stage2_{1}_{0}.ckpt".format(*variant.split("_", 1)) for variant in VARIANTS}  # as published


def published(variant: str, motion_dim: int = 20, blocks: int = 2) -> Sizes:
    """Sizes of a published variant of stage 2. Raises ValueError for another name."""
    if variant not in VARIANTS:
        raise ValueError(f"AniTalker has no variant {variant!r}; there are {', '.join(VARIANTS)}")
    features, control = variant.split("_", 1)
    hubert = features == "hubert"
    return Sizes(
        features=features,
        audio_dim=1024 if hubert else MFCC,
        audio_layers=AUDIO_STATES if hubert else 1,
        controls=CONTROLS[control],
        source_dim=512,
        motion_dim=motion_dim,
        width=512,
        part=128,
        adapter=128,
        heads=2,
        kernel=13,
        speech_blocks=4 if hubert else 0,
        motion_blocks=blocks,
        bound=1.0,
        relative=False,
        predicts="noise",
    )


@dataclass(frozen=True)
class Config:
    """Both stages and how motion is sampled.

    `steps`: of DDIM. `window`: frames that are sampled as one sequence; longer sound is sampled in windows that share
    `overlap` frames (`baselines.anitalker.sampling`).
    """

    scales: Scales
    motion: Sizes
    steps: int
    window: int
    overlap: int

    @property
    def frame_size(self) -> int:
        """Side of the frames in pixels."""
        return self.scales.frame_size


SIZES = {
    "official": Config(
        scales=Scales.published(size=256, style_dim=512, motion_dim=20, channel_multiplier=1),
        motion=published("hubert_audio_only"),
        steps=50,
        window=1500,
        overlap=100,
    ),
    "mini": Config(
        scales=Scales(frame_size=64, style_dim=64, motion_dim=20, widths=(64, 64, 48, 32, 16)),
        motion=Sizes(
            features="mfcc",
            audio_dim=MFCC,
            audio_layers=1,
            controls=(),
            source_dim=64,
            motion_dim=20,
            width=128,
            part=32,
            adapter=32,
            heads=2,
            kernel=13,
            speech_blocks=2,
            motion_blocks=2,
            bound=3.0,
            relative=True,
            predicts="motion",
        ),
        steps=10,
        window=50,
        overlap=16,
    ),
}


def build(config: Config) -> dict[str, nn.Module]:
    """Untrained networks, named as the prefixes in the official files of stages 1 and 2."""
    scales = config.scales
    renderer = Renderer(scales.frame_size, scales.style_dim, scales.motion_dim, scales.widths)
    return {"lia": renderer, "ema_model": MotionPredictor(config.motion)}
