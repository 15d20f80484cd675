"""Frechet video distance (Unterthiner et al. 2018), as StyleGAN-V computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semo.features.base import Features
from semo.frechet import frechet_distance
from semo.metrics.base import Metric


def distance_of_windows(real: Sequence[Features], fake: Sequence[Features]) -> float | None:
    """Frechet distance of the `windows` features of all clips, covariances with ddof 0; None without windows."""
    sides = [[clip["windows"] for clip in side if len(clip["windows"])] for side in (real, fake)]
    return frechet_distance(*(np.concatenate(side) for side in sides), ddof=0) if all(sides) else None


METRIC = Metric(
    name="fvd",
    label="FVD",
    better="lower",
    unit="distance",
    level="set",
    variant="I3D Kinetics-400 logits, windows of 16 frames, squashed to 224 px, StyleGAN-V convention (ddof 0)",
    protocol="fvd-styleganv-16f",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="i3d",
    of_set=distance_of_windows,
    digits=2,
    enough=(256, "windows", "common_metrics issue 26: fewer than 256 videos say nothing"),
)
