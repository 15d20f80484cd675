"""Sync-C, also LSE-C: how much better lips and speech agree at their best shift than at the median one."""

from __future__ import annotations

from dataclasses import replace

from semo.metrics.base import Metric
from semo.metrics.sync import SHORT_TRACK, TRACK, confidence, mean_of_tracks, reason

_TRACKED = Metric(
    name="sync_c",
    label="Sync-C",
    better="higher",
    unit="1",
    level="clip",
    variant="SyncNet v2, full pipeline with its MPEG-4, XVID and JPEG steps, faces > 100 px in > 100 frames",
    protocol="sync-syncnet-v2",
    tasks=("talk",),
    tier="reference",
    network="syncnet",
    of_clip=mean_of_tracks(confidence, TRACK),
    why_none=reason(TRACK),
)
METRICS = (
    _TRACKED,
    replace(
        _TRACKED,
        name="sync_c_track50",
        variant_of="sync_c",
        label="Sync-C (track 50)",
        variant="as Sync-C, faces in > 50 frames: LatentSync, MoChaBench, syncnet-python",
        protocol="sync-syncnet-v2-track50",
        of_clip=mean_of_tracks(confidence, SHORT_TRACK),
        why_none=reason(SHORT_TRACK),
    ),
    replace(
        _TRACKED,
        name="sync_c_whole_frame",
        variant_of="sync_c",
        label="Sync-C (whole frame)",
        variant="SyncNet v2, whole frame squeezed to 224 px after JPEG: Wav2Lip's wrapper for LRS, for tight crops",
        protocol="sync-syncnet-v2-whole-frame",
        network="syncnet-whole-frame",
        of_clip=mean_of_tracks(confidence, 0),
        why_none=reason(0),
    ),
)
