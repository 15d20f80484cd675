"""95 % intervals, paired tests and rankings for clips that come in people.

Clips of one person are not independent, so the bootstrap draws people (clusters) with replacement and then, for every
person drawn, as many of that person's clips with replacement. Percentile interval, fixed seed. For a value of a whole
set (a Frechet distance) resampling repeats clips, which alone raises it, so there the interval is the spread of the
draws around their own mean, laid around the value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
LEVEL = 0.95
MIN_PEOPLE = 5
SET_DRAWS = 200
ENUMERATED_PEOPLE = 12  # sign flips of at most so many people are counted out instead of drawn
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


def set_estimate(
    value: float,
    resampled: Callable[[Sequence[np.ndarray]], Sequence[float | None]],
    people: Sequence[str],
    seed: int = 0,
    draws: int = SET_DRAWS,
) -> Estimate:
    """The value of a set metric with its interval.

    `people[i]` names the person in clip i, clips in a fixed order; `resampled` maps draws of clip numbers (each an
    integer array with repetitions) to the values of those sets. Draws without a value are left out.
    """
    count = len(set(people))
    if count < MIN_PEOPLE:
        return Estimate(value, None, None, len(people), count)
    found = [v for v in resampled(clip_draws(people, seed, draws)) if v is not None]
    if len(found) < draws // 2:
        return Estimate(value, None, None, len(people), count)
    low, high = np.quantile(np.asarray(found) - np.mean(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(value + low), float(value + high), len(people), count)


def clip_draws(people: Sequence[str], seed: int, draws: int) -> list[np.ndarray]:
    """`draws` resampled lists of clip numbers: people with replacement, then for each as many clips as that person."""
    clips: dict[str, list[int]] = {}
    for number, person in enumerate(people):
        clips.setdefault(str(person), []).append(number)
    groups = [np.array(clips[person]) for person in sorted(clips)]
    rng = np.random.default_rng(seed)
    return [
        np.concatenate([rng.choice(groups[who], len(groups[who])) for who in rng.integers(0, len(groups), len(groups))])
        for _ in range(draws)
    ]


def sign_flip_p(differences: Sequence[float], people: Sequence[str], seed: int = 0, draws: int = 10_000) -> float:
    """Two-sided p-value that paired differences of clips centre on zero: the sign of a whole person is flipped.

    All sign patterns are counted for up to ENUMERATED_PEOPLE people, `draws` random ones above. Raises ValueError on
    unequal or empty input.
    """
    if len(differences) != len(people) or not len(people):
        raise ValueError(f"{len(differences)} differences for {len(people)} people: one person each, at least one")
    names = sorted(set(people))
    sums = np.array([sum(d for d, p in zip(differences, people) if p == name) for name in names])
    if len(names) <= ENUMERATED_PEOPLE:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(names))))
        extra = 0  # the observed pattern is among them
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(draws, len(names)))
        extra = 1
    reached = np.abs(signs @ sums) >= np.abs(sums.sum()) * (1 - 1e-12)
    return float((reached.sum() + extra) / (len(signs) + extra))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for testing all of them (Holm 1979), under the same names."""
    adjusted, running = {}, 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for rank, name in enumerate(ordered):
        running = max(running, min(1.0, (len(ordered) - rank) * p_values[name]))
        adjusted[name] = running
    return {name: adjusted[name] for name in p_values}


def kendall_tau(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[float, int] | None:
    """Kendall's tau-b between two scores of the same methods, and how many methods both score.

    None where fewer than three methods are common or one score is the same for all.
    """
    from scipy.stats import kendalltau

    common = sorted(first.keys() & second.keys())
    if len(common) < 3:
        return None
    tau = float(kendalltau([first[name] for name in common], [second[name] for name in common]).statistic)
    return None if np.isnan(tau) else (tau, len(common))


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
