"""What the face metrics share: frames in which both clips show a face, and landmarks on one scale."""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures

FRAME = 256.0  # landmarks are given in pixels of a frame whose longer side this is


def landmarks(clip: Features) -> np.ndarray:
    """The mesh, float64 (T, 468, 2), in pixels of a frame of 256; NaN in frames without a face."""
    scale = FRAME / float(np.max(clip["size"]))
    return (clip["mesh"].astype(np.float64) + 0.5) * scale - 0.5  # whole numbers are the middles of pixels


def in_both(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of equally many frames, (T, ...) twice -> those of the frames in which both are finite, float64."""
    seen = _finite(real) & _finite(fake)
    return real[seen].astype(np.float64), fake[seen].astype(np.float64)


def pairs(clip: ClipFeatures, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One array of the faces features, as `in_both`."""
    return in_both(clip.real[name], clip.fake[name])


def blind_side(clip: ClipFeatures) -> str | None:
    """Which of the two videos shows no face, in words; None where both show one."""
    for name, side in (("true", clip.real), ("generated", clip.fake)):
        if not np.isfinite(side["boxes"]).any():
            return f"the {name} video shows no face"
    return None


def why_no_value(clip: ClipFeatures) -> str:
    """Why a metric of frames with a face in both has no value."""
    return blind_side(clip) or "no frame shows a face in both videos"


def _finite(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values.reshape(len(values), -1)).all(axis=1)


def mean_or_none(values: np.ndarray) -> float | None:
    """None where no frame shows a face in both clips."""
    return float(values.mean()) if len(values) else None
