"""Kernel inception distance (Binkowski et al. 2018): unbiased for any number of frames, so it may be below 0.

Kernel (x.y / d + 1)^3. Constants are torch-fidelity's defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semo.features.base import Features
from semo.metrics.base import Metric

OFFSET = 1.0
SUBSET, SUBSETS, SEED = 1000, 100, 2020


def kernel_distance(real: np.ndarray, fake: np.ndarray) -> float | None:
    """(n, d) and (m, d) features -> unbiased squared maximum mean discrepancy; None below 2 rows.

    Up to 1,000 rows a side all of them at once; beyond that the mean over 100 seeded subsets of min(1000, n, m) rows,
    drawn without replacement as torch-fidelity draws them.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    smaller = min(len(real), len(fake))
    if smaller < 2:
        return None
    if max(len(real), len(fake)) <= SUBSET:
        return _discrepancy(real, fake)
    draw = np.random.RandomState(SEED).choice
    size = min(SUBSET, smaller)
    values = []
    for _ in range(SUBSETS):
        first = real[draw(len(real), size, replace=False)]
        values.append(_discrepancy(first, fake[draw(len(fake), size, replace=False)]))
    return float(np.mean(values))


def _discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    return float(_within(x) + _within(y) - 2.0 * _kernel(x, y).mean())


def _within(x: np.ndarray) -> float:
    """Mean kernel of two different rows."""
    kernel = _kernel(x, x)
    return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + OFFSET
    return base * base * base  # numpy's power is many times slower


def discrepancy_of_frames(real: Sequence[Features], fake: Sequence[Features]) -> float | None:
    """`kernel_distance` of the `frames` features of all clips."""
    return kernel_distance(*(np.concatenate([clip["frames"] for clip in side]) for side in (real, fake)))


METRIC = Metric(
    name="kid",
    label="KID",
    better="lower",
    unit="squared discrepancy",
    level="set",
    variant=(
        "Inception 2015-12-05, pool 2048, every frame, torch-fidelity's resize, cubic kernel, unbiased; all frames up "
        "to 1,000 a side, else 100 seeded subsets of 1,000"
    ),
    protocol="kid-torch-fidelity-poly3",
    tasks=(),
    tier="reference",
    network="inception-torch-fidelity",
    of_set=discrepancy_of_frames,
    digits=5,
)
