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
    )
