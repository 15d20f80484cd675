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
MOST = 8000  # frames a side from which intervals are made


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
    return _cubed(x @ y.T / x.shape[1] + OFFSET)


def _cubed(base: np.ndarray) -> np.ndarray:
    return base * base * base  # numpy's power is many times slower


class _DiscrepancyOfFrames:
    """`kernel_distance` of the `frames` features of all clips."""

    def __call__(self, real: Sequence[Features], fake: Sequence[Features]) -> float | None:
        return kernel_distance(*(np.concatenate([clip["frames"] for clip in side]) for side in (real, fake)))

    def resampled(
        self, real: Sequence[Features], fake: Sequence[Features], chosen: Sequence[np.ndarray]
    ) -> list[float | None]:
        """Values of resampled sets; `chosen` holds clip numbers, repeated or not, which apply to both sides.

        From sums of the kernel between clips, so a draw costs next to nothing. Takes all frames of a draw at once,
        which estimates the same as the subsets; of more than MOST frames a side it takes every k-th.
        """
        sides = [[clip["frames"].astype(np.float64) for clip in side] for side in (real, fake)]
        step = max(1, *(-(-sum(map(len, side)) // MOST) for side in sides))
        x, y = ([rows[::step] for rows in side] for side in sides)
        between = _sums(x, y)
        within = [(_sums(side, side), _same(side), np.array([len(rows) for rows in side])) for side in (x, y)]
        values: list[float | None] = []
        for clips in chosen:
            counts = np.bincount(clips, minlength=len(x)).astype(np.float64)
            n, m = (counts @ sizes for *_, sizes in within)
            if min(n, m) < 2:
                values.append(None)
                continue
            own = sum(
                (counts @ sums @ counts - counts @ same) / (rows * (rows - 1))
                for (sums, same, _), rows in zip(within, (n, m))
            )
            values.append(float(own - 2.0 * (counts @ between @ counts) / (n * m)))
        return values


def _sums(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of the kernel between all rows of clip i of x and of clip j of y."""
    rows = np.concatenate(y)
    clip_of = np.repeat(np.arange(len(y)), [len(part) for part in y])
    return np.stack([np.bincount(clip_of, _kernel(part, rows).sum(axis=0), len(y)) for part in x])


def _same(x: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of the kernel of every row of a clip with itself."""
    return np.array([_cubed((part * part).sum(axis=1) / part.shape[1] + OFFSET).sum() for part in x])


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
    of_set=_DiscrepancyOfFrames(),
    digits=5,
)
