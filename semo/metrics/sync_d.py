"""Sync-D, also LSE-D: mean distance of lips and speech at their best shift."""

from __future__ import annotations

from dataclasses import replace

from semo.metrics.base import Metric
from semo.metrics.sync import SHORT_TRACK, TRACK, distance, mean_of_tracks, reason

_TRACKED = Metric(
    name="sync_d",
    label="Sync-D",
    better="lower",
    unit="distance",
    level="clip",
    variant="SyncNet v2, full pipeline with its MPEG-4, XVID and JPEG steps, faces > 100 px in > 100 frames",
    protocol="sync-syncnet-v2",
    tasks=("talk",),
    tier="reference",
    network="syncnet",
    of_clip=mean_of_tracks(distance, TRACK),
    why_none=reason(TRACK),
)
METRICS = (
    _TRACKED,
    replace(
        _TRACKED,
        name="sync_d_track50",
        variant_of="sync_d",
        label="Sync-D (track 50)",
        variant="as Sync-D, faces in > 50 frames: LatentSync, MoChaBench, syncnet-python",
        protocol="sync-syncnet-v2-track50",
        of_clip=mean_of_tracks(distance, SHORT_TRACK),
        why_none=reason(SHORT_TRACK),
    ),
    replace(
        _TRACKED,
        name="sync_d_whole_frame",
        variant_of="sync_d",
        label="Sync-D (whole frame)",
        variant="SyncNet v2, whole frame squeezed to 224 px after JPEG: Wav2Lip's wrapper for LRS, for tight crops",
        protocol="sync-syncnet-v2-whole-frame",
        network="syncnet-whole-frame",
        of_clip=mean_of_tracks(distance, 0),
        why_none=reason(0),
    ),
)
