"""Audio-visual confidence on embeddings of lips and speech, read as SyncNet's: median minus minimum over shifts."""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures, Metric

REACH = 15        # the sound is shifted by up to so many frames either way
FEWEST_WINDOWS = 8  # that a shift must be averaged over


def distances_by_shift(features: Features) -> np.ndarray | None:
    """Mean distance of lips and speech for shifts -15..15, float64 (31,); at 15 + k lips at t meet the sound at t + k.

    Only windows that have a partner count, where SyncNet pads with zeros. None where a shift has fewer than 8 of them
    (clips shorter than 31 frames) or there is no sound.
    """
    lips, speech = (features[name].astype(np.float64) for name in ("lips", "speech"))
    if min(len(lips), len(speech)) < REACH + FEWEST_WINDOWS:
        return None
    distances = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * lips @ speech.T))  # both have length 1
    return np.array([np.diagonal(distances, shift).mean() for shift in range(-REACH, REACH + 1)])


def confidence(features: Features) -> float | None:
    """Median minus minimum of the distances by shift."""
    distances = distances_by_shift(features)
    return None if distances is None else float(np.median(distances) - distances.min())


def why_no_distances(pair: ClipFeatures) -> str:
    """Why the generated clip has no distances by shift."""
    windows = len(pair.fake["lips"])
    if windows < REACH + FEWEST_WINDOWS:
        return f"the generated video has {windows} windows of 9 frames, {REACH + FEWEST_WINDOWS} (31 frames) are needed"
    return "the generated video has no sound"


METRIC = Metric(
    name="avc_corpus",
    label="AVC-corpus",
    better="higher",
    unit="1",
    level="clip",
    variant="audio-visual network of portraits-mini, shifts -15..15, windows of 9 frames",
    protocol="av-corpus-v1",
    tasks=("talk",),
    tier="bundled",
    network="corpus-av",
    stands_for="sync_c",
    of_clip=lambda pair: confidence(pair.fake),
    why_none=why_no_distances,
)
