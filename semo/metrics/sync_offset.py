"""Audio-visual offset of SyncNet, without its sign: offsets of both signs must not cancel in a mean over clips."""

from __future__ import annotations

from dataclasses import replace

from semo.metrics.base import Metric
from semo.metrics.sync import SHORT_TRACK, TRACK, largest_confidence_offset, reason

_TRACKED = Metric(
    name="sync_offset",
    label="AV offset",
    better="lower",
    unit="frames at 25 fps",
    level="clip",
    variant="|15 - best of 31 shifts| of SyncNet v2, full pipeline, the most confident face in > 100 frames",
    protocol="sync-syncnet-v2",
    tasks=("talk",),
    tier="reference",
    network="syncnet",
    of_clip=largest_confidence_offset(TRACK),
    why_none=reason(TRACK),
    digits=1,
)
METRICS = (
    _TRACKED,
    replace(
        _TRACKED,
        name="sync_offset_track50",
        variant_of="sync_offset",
        label="AV offset (track 50)",
        variant="as AV offset, faces in > 50 frames",
        protocol="sync-syncnet-v2-track50",
        of_clip=largest_confidence_offset(SHORT_TRACK),
        why_none=reason(SHORT_TRACK),
    ),
    replace(
        _TRACKED,
        name="sync_offset_whole_frame",
        variant_of="sync_offset",
        label="AV offset (whole frame)",
        variant="as AV offset, whole frame squeezed to 224 px after JPEG: Wav2Lip's wrapper for LRS",
        protocol="sync-syncnet-v2-whole-frame",
        network="syncnet-whole-frame",
        of_clip=largest_confidence_offset(0),
        why_none=reason(0),
    ),
)
