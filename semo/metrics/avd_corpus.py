"""Audio-visual distance and offset on embeddings of lips and speech, as SyncNet's: minimum over shifts, its place."""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.avc_corpus import REACH, distances_by_shift, why_no_distances
from semo.metrics.base import ClipFeatures, Metric

VARIANT = "audio-visual network of portraits-mini, shifts -15..15, windows of 9 frames"


def least_distance(features: Features) -> float | None:
    """Minimum of the distances by shift, 0..2."""
    distances = distances_by_shift(features)
    return None if distances is None else float(distances.min())


def offset(features: Features) -> int | None:
    """15 - argmin in frames, SyncNet's sign: sound that comes k frames late gives -k."""
    distances = distances_by_shift(features)
    return None if distances is None else REACH - int(np.argmin(distances))


def offset_error(pair: ClipFeatures) -> float | None:
    """Frames between lips and sound, whichever comes first."""
    found = offset(pair.fake)
    return None if found is None else float(abs(found))


METRICS = (
    Metric(
        name="avd_corpus",
        label="AVD-corpus",
        better="lower",
        unit="distance",
        level="clip",
        variant=VARIANT,
        protocol="av-corpus-v1",
        tasks=("talk",),
        tier="bundled",
        network="corpus-av",
        stands_for="sync_d",
        of_clip=lambda pair: least_distance(pair.fake),
        why_none=why_no_distances,
    ),
    Metric(
        name="avo_corpus",
        label="AVO-corpus",
        better="lower",
        unit="frames",
        level="clip",
        variant=f"{VARIANT}; absolute offset",
        protocol="av-corpus-v1",
        tasks=("talk",),
        tier="bundled",
        network="corpus-av",
        of_clip=offset_error,
        why_none=why_no_distances,
        digits=1,
    ),
)
