"""Motion smoothness: does the generated face shake more, or less, than the true one?"""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import blind_side, landmarks

FLOOR = 0.05  # px^2: what the landmarks of a still picture shake after compression; keeps frozen clips finite


def shaking(clip: Features) -> float | None:
    """Mean squared second difference of the landmarks over frames, points and axes, px^2 of a 256 frame.

    None where no three frames in a row show a face.
    """
    second = np.diff(landmarks(clip), n=2, axis=0)
    seen = np.isfinite(second).all(axis=(1, 2))
    return float((second[seen] ** 2).mean()) if seen.any() else None


def smoothness_ratio(pair: ClipFeatures) -> float | None:
    """|ln (shaking of the generated clip / shaking of the true one)|: 0 equal, 0.69 twice or half as much."""
    real, fake = shaking(pair.real), shaking(pair.fake)
    return None if real is None or fake is None else float(abs(np.log((fake + FLOOR) / (real + FLOOR))))


def why_no_ratio(pair: ClipFeatures) -> str:
    return blind_side(pair) or "no three frames in a row show a face in one of the videos"


METRIC = Metric(
    name="smoothness_facemesh",
    label="Smoothness-facemesh",
    better="lower",
    unit="|ln ratio|",
    level="clip",
    variant="generated / true mean squared second difference of MediaPipe's 468 points, floor 0.05 px^2",
    protocol="smoothness-facemesh468-d2",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=smoothness_ratio,
    why_none=why_no_ratio,
)
