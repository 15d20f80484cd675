"""Frechet inception distance (Heusel et al. 2017) over all frames of all clips, as pytorch-fid computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semo.features.base import Features
from semo.frechet import frechet_distance
from semo.metrics.base import Metric


def distance_of_frames(real: Sequence[Features], fake: Sequence[Features]) -> float | None:
    """Frechet distance of the `frames` features of all clips, covariances with ddof 1."""
    return frechet_distance(*(np.concatenate([clip["frames"] for clip in side]) for side in (real, fake)))


METRIC = Metric(
    name="fid",
    label="FID",
    better="lower",
    unit="distance",
    level="set",
    variant="Inception 2015-12-05, pool 2048, every frame, pytorch-fid's resize, ddof 1",
    protocol="fid-pytorch-fid",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="inception-pytorch-fid",
    of_set=distance_of_frames,
    digits=2,
    enough=(1000, "frames", "StableSR issue 105: fewer than 1,000 images say nothing"),
)
