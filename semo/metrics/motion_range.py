"""Motion range: does the generated face move as far as the true one?"""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import blind_side, landmarks

FLOOR = 0.1  # px: what the landmarks of a still picture spread after compression; keeps frozen clips finite


def motion_range(clip: Features) -> float | None:
    """Deviation of the landmarks from their mean place over the clip, root mean square over frames and points, in px.

    None with fewer than two frames that show a face.
    """
    points = landmarks(clip)
    points = points[np.isfinite(points).all(axis=(1, 2))]
    return float(np.sqrt(points.var(axis=0).sum(axis=1).mean())) if len(points) > 1 else None


def range_ratio(pair: ClipFeatures) -> float | None:
    """|ln (range of the generated clip / range of the true one)|: 0 equal, 0.69 twice or half as far."""
    real, fake = motion_range(pair.real), motion_range(pair.fake)
    return None if real is None or fake is None else float(abs(np.log((fake + FLOOR) / (real + FLOOR))))


def why_no_ratio(pair: ClipFeatures) -> str:
    return blind_side(pair) or "fewer than two frames show a face in one of the videos"


METRIC = Metric(
    name="motion_range_facemesh",
    label="Motion range-facemesh",
    better="lower",
    unit="|ln ratio|",
    level="clip",
    variant="generated / true deviation of MediaPipe's 468 points from their mean place, floor 0.1 px",
    protocol="range-facemesh468",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=range_ratio,
    why_none=why_no_ratio,
)
