"""What follows from SyncNet's distances: confidence, distance, offset, and why a clip has none.

A clip with several face tracks gets the mean over them, each counted once, as averages over the lines of Wav2Lip's
score file do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures

SHIFT = 15
TRACK, SHORT_TRACK = 100, 50  # detections a track must exceed: joonson/syncnet_python; LatentSync and MoChaBench
FACE = 100


def confidence(distances: np.ndarray) -> np.ndarray:
    """Mean distances per shift (..., 31) -> their median over shifts minus their minimum."""
    return np.median(distances, axis=-1) - distances.min(axis=-1)


def distance(distances: np.ndarray) -> np.ndarray:
    """Mean distances per shift (..., 31) -> their minimum."""
    return distances.min(axis=-1)


def offset(distances: np.ndarray) -> np.ndarray:
    """Mean distances per shift (..., 31) -> frames by which lips lag behind the sound; negative where they lead."""
    return SHIFT - distances.argmin(axis=-1)


def counted(features: Features, longer_than: int) -> np.ndarray:
    """Distances (k, 31) of the faces seen in more than `longer_than` frames."""
    return features["distances"][features["detections"] > longer_than].astype(np.float64)


def mean_of_tracks(
    value: Callable[[np.ndarray], np.ndarray], longer_than: int
) -> Callable[[ClipFeatures], float | None]:
    """The mean of `value` over the counted faces of the generated clip; None where there are none."""

    def of_clip(pair: ClipFeatures) -> float | None:
        rows = counted(pair.fake, longer_than)
        return float(value(rows).mean()) if len(rows) else None

    return of_clip


def largest_confidence_offset(longer_than: int) -> Callable[[ClipFeatures], float | None]:
    """Size of the offset of the face whose confidence is largest: a mean over faces would be no offset of any."""

    def of_clip(pair: ClipFeatures) -> float | None:
        rows = counted(pair.fake, longer_than)
        return float(abs(offset(rows[confidence(rows).argmax()]))) if len(rows) else None

    return of_clip


def reason(longer_than: int) -> Callable[[ClipFeatures], str | None]:
    """`why_none` of the generated clip."""

    def of_clip(pair: ClipFeatures) -> str | None:
        return why_none(pair.fake, longer_than)

    return of_clip


def why_none(features: Features, longer_than: int) -> str | None:
    """Why a clip has no value, None where it has one; `longer_than` is 0 for the whole-frame wrapper."""
    if len(counted(features, longer_than)):
        return None
    facts = {name: float(features[name][0]) for name in ("frames", "sound", "faces", "longest", "largest")
             if name in features}
    if facts["sound"] < 2:
        return "its sound is digital silence" if facts["sound"] else "it has no sound"
    if "faces" not in facts:
        return f"it is too short: {facts['frames']:.0f} frames, at least 6 are needed"
    if facts["faces"] == 0:
        return "no face was found in any frame"
    if facts["longest"] <= longer_than:
        return (f"no face was found in more than {longer_than} frames of one scene, the most are "
                f"{facts['longest']:.0f} of {facts['frames']:.0f}")
    if facts["largest"] <= FACE:
        return f"its faces are too small: {facts['largest']:.0f} pixels, more than {FACE} are needed"
    return f"no face of more than {FACE} pixels was found in more than {longer_than} frames of one scene"
