"""Frechet distance between Gaussians fitted to two sets of features, without a matrix square root.

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) (Dowson and Landau 1982). With centred features A, B (rows scaled so
that S1 = A^T A and S2 = B^T B) the last trace is the nuclear norm of A B^T: exact also where there are fewer rows than
dimensions and S1 S2 is singular, where scipy's sqrtm adds the square roots of round-off. With more rows than dimensions
it is the sum of the square roots of the eigenvalues of the symmetric L^T S2 L, S1 = L L^T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def frechet_distance(
    real: np.ndarray,
    fake: np.ndarray,
    ddof: int = 1,
    real_counts: np.ndarray | None = None,
    fake_counts: np.ndarray | None = None,
) -> float | None:
    """(n, d) and (m, d) features -> distance >= 0; covariances divided by n - ddof, m - ddof.

    `real_counts` (n,), `fake_counts` (m,): how often each row counts (1), as if it were there that many times.
    None where a set has too few rows for a covariance. Raises ValueError on unequal widths or non-finite values.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features have shapes {real.shape} and {fake.shape}: both must be (rows, same width)")
    weights = [
        np.ones(len(rows)) if counts is None else np.asarray(counts, np.float64)
        for rows, counts in ((real, real_counts), (fake, fake_counts))
    ]
    if min(weight.sum() for weight in weights) <= max(ddof, 1):
        return None
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("features hold NaN or infinite values: the network failed on some frame")
    mean_real, a = _centred(real, weights[0], ddof)
    mean_fake, b = _centred(fake, weights[1], ddof)
    shift = mean_real - mean_fake
    distance = shift @ shift + np.vdot(a, a) + np.vdot(b, b) - 2.0 * _trace_of_root(a, b)
    return max(0.0, float(distance))


def frechet_of_clips(
    real: Sequence[Mapping[str, np.ndarray]], fake: Sequence[Mapping[str, np.ndarray]], key: str, ddof: int = 1
) -> float | None:
    """Frechet distance of the rows `key` (n_i, d) of all clips together; clips without rows add nothing.

    A clip listed several times, as a bootstrap does, enters once with its count: the cost is that of distinct clips,
    a quarter of the full cost for a bootstrap of many clips of few rows.
    """
    sides = [_distinct([clip[key] for clip in side if len(clip[key])]) for side in (real, fake)]
    if not all(rows for rows, _ in sides):
        return None
    (real_rows, real_counts), (fake_rows, fake_counts) = ((np.concatenate(rows), counts) for rows, counts in sides)
    return frechet_distance(real_rows, fake_rows, ddof, real_counts, fake_counts)


def _distinct(parts: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """The different arrays in order of appearance, and for each of their rows how often its array is listed."""
    first = {id(part): part for part in parts}
    times = dict.fromkeys(first, 0)
    for part in parts:
        times[id(part)] += 1
    return list(first.values()), np.repeat(list(times.values()), [len(part) for part in first.values()])


def _centred(rows: np.ndarray, weights: np.ndarray, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean (d,) and rows (n, d) scaled so that their product with themselves is the covariance."""
    total = weights.sum()
    mean = weights @ rows / total
    return mean, (rows - mean) * np.sqrt(weights / (total - ddof))[:, None]


def _trace_of_root(a: np.ndarray, b: np.ndarray) -> float:
    """tr (a^T a b^T b)^(1/2) of (n, d) and (m, d)."""
    if min(len(a), len(b)) < a.shape[1]:
        return float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    root = _root(a.T @ a)
    projected = b @ root
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(projected.T @ projected), 0.0, None)).sum())


def _root(covariance: np.ndarray) -> np.ndarray:
    """L (d, d) with L L^T = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # singular: some combination of features never changes
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.clip(values, 0.0, None))
