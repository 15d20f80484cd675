"""Frechet video distance (Unterthiner et al. 2018), as StyleGAN-V computes it."""

from __future__ import annotations

from dataclasses import replace

from semo.frechet import FrechetOfClips
from semo.metrics.base import Metric

distance_of_windows = FrechetOfClips("windows", ddof=0)

FVD = Metric(
    name="fvd",
    label="FVD",
    better="lower",
    unit="distance",
    level="set",
    variant=(
        "I3D Kinetics-400 logits, 16 frames from every 16th on, all windows, squashed to 224 px, "
        "StyleGAN-V convention (ddof 0)"
    ),
    protocol="fvd-styleganv-16f",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="i3d",
    of_set=distance_of_windows,
    digits=2,
    enough=(256, "windows", "common_metrics issue 26: fewer than 256 videos say nothing"),
)

METRICS = (
    FVD,
    replace(
        FVD,
        name="fvd_ddof1",
        label="FVD (ddof 1)",
        variant=(
            "I3D Kinetics-400 logits, 16 frames from every 16th on, all windows, squashed to 224 px, "
            "sample covariance (ddof 1)"
        ),
        protocol="fvd-ddof1-16f",
        tasks=(),
        variant_of="fvd",
        of_set=FrechetOfClips("windows", ddof=1),
    ),
)
