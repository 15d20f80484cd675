"""Means with 95 % intervals for clips that come in people.

Clips of one person are not independent, so the bootstrap draws people (clusters) with replacement and then, for every
person drawn, as many of that person's clips with replacement. Percentile interval, fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
LEVEL = 0.95
MIN_PEOPLE = 5
_CHUNK_VALUES = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean over clips; `low` and `high` are None where fewer than MIN_PEOPLE people were measured."""

    mean: float
    low: float | None
    high: float | None
    clips: int
    people: int


def estimate(values: Sequence[float], people: Sequence[str], seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean of per-clip `values` with a clustered bootstrap interval.

    `people[i]` names the person in clip i. Values must be finite: leave out clips that have none.
    Raises ValueError on empty, unequal or non-finite input.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) != len(people) or len(array) == 0:
        raise ValueError(
            f"estimate needs one person per value, at least one: not {array.shape} values, {len(people)} people"
        )
    if not np.isfinite(array).all():
        raise ValueError("estimate needs finite values: leave out clips without one")
    table, sizes = _by_person(array, people)
    mean = float(array.mean())
    if len(sizes) < MIN_PEOPLE:
        return Estimate(mean, None, None, len(array), len(sizes))
    means = _resampled_means(table, sizes, np.random.default_rng(seed), draws)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(mean, float(low), float(high), len(array), len(sizes))


def paired_difference(
    first: dict[str, float], second: dict[str, float], person_of: dict[str, str], seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """first - second on the clips both have, with the same bootstrap; arguments map clip ids.

    Raises ValueError where they share no clip.
    """
    clips = sorted(first.keys() & second.keys())
    if not clips:
        raise ValueError("the two methods have no clip in common: nothing to compare")
    return estimate([first[c] - second[c] for c in clips], [person_of[c] for c in clips], seed, draws)


def _by_person(values: np.ndarray, people: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values -> (people, most clips of one person), padded with 0, and clips per person; order of input is ignored."""
    groups: dict[str, list[float]] = {}
    for person, value in zip(people, values, strict=True):
        groups.setdefault(str(person), []).append(float(value))
    sizes = np.array([len(groups[p]) for p in sorted(groups)])
    table = np.zeros((len(sizes), sizes.max()))
    for row, person in enumerate(sorted(groups)):
        table[row, : sizes[row]] = sorted(groups[person])
    return table, sizes


def _resampled_means(table: np.ndarray, sizes: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """(people, clips) -> `draws` means of resampled data sets."""
    count, width = table.shape
    means = np.empty(draws)
    step = max(1, _CHUNK_VALUES // (count * width))
    for start in range(0, draws, step):
        n = min(step, draws - start)
        who = rng.integers(0, count, size=(n, count))
        size = sizes[who][..., None]
        clip = (rng.random((n, count, width)) * size).astype(np.int64)
        present = np.arange(width) < size
        drawn = np.where(present, table[who[..., None], clip], 0.0)
        means[start : start + n] = drawn.sum(axis=(1, 2)) / size.sum(axis=(1, 2))
    return means
