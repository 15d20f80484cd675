"""Frechet video distance (Unterthiner et al. 2018), as StyleGAN-V computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semo.features.base import Features
from semo.frechet import frechet_of_clips
from semo.metrics.base import Metric


def distance_of_windows(real: Sequence[Features], fake: Sequence[Features], ddof: int = 0) -> float | None:
    """Frechet distance of the `windows` features of all clips; None without windows."""
    return frechet_of_clips(real, fake, "windows", ddof)


def unbiased_distance_of_windows(real: Sequence[Features], fake: Sequence[Features]) -> float | None:
    """The same with sample covariances (ddof 1)."""
    return distance_of_windows(real, fake, ddof=1)


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
        of_set=unbiased_distance_of_windows,
    ),
)
