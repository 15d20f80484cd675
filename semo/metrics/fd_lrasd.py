"""Frechet distance of LR-ASD's visual features over windows of 16 frames: sees how faces move; stands in for FVD."""

from __future__ import annotations

from semo.metrics.base import Metric
from semo.metrics.fvd import distance_of_windows

METRIC = Metric(
    name="fd_lrasd",
    label="FD-lrasd",
    better="lower",
    unit="distance",
    level="set",
    variant="LR-ASD visual encoder, 128 features, windows of 16 frames, grey 112x112 face crops, ddof 0; no FVD",
    protocol="fd-lrasd-visual-128-16f",
    tasks=("reconstruct", "talk"),
    tier="compact",
    network="lrasd-visual",
    stands_for="fvd",
    of_set=distance_of_windows,
    digits=3,
    enough=(256, "windows", "common_metrics issue 26: fewer than 256 videos say nothing"),
)
