"""Frechet distance between Gaussians fitted to two sets of features, without a matrix square root.

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) (Dowson and Landau 1982). With centred features A, B (rows scaled so
that S1 = A^T A and S2 = B^T B) the last trace is the nuclear norm of A B^T: exact also where there are fewer rows than
dimensions and S1 S2 is singular, where scipy's sqrtm adds the square roots of round-off. With more rows than dimensions
it is the sum of the square roots of the eigenvalues of the symmetric L^T S2 L, S1 = L L^T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Clips = Sequence[Mapping[str, np.ndarray]]


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


@dataclass(frozen=True)
class FrechetOfClips:
    """Frechet distance of the rows `key` (n_i, d) of all clips of a side together; the `of_set` of a metric.

    Clips without rows add nothing; None where a side has no rows or too few.
    """

    key: str
    ddof: int = 1

    def __call__(self, real: Clips, fake: Clips) -> float | None:
        sides = [[clip[self.key] for clip in clips if len(clip[self.key])] for clips in (real, fake)]
        return frechet_distance(*(np.concatenate(rows) for rows in sides), self.ddof) if all(sides) else None

    def resampled(self, real: Clips, fake: Clips, chosen: Sequence[np.ndarray]) -> list[float | None]:
        """Values of resampled sets; `chosen` holds clip numbers, repeated or not, which apply to both sides.

        A clip drawn several times enters once with its count, so a draw costs only its distinct clips, and fewer rows
        than dimensions are first turned into a basis of their own size. Equal to measuring every draw alone.
        """
        sides = [[clip[self.key] for clip in clips] for clips in (real, fake)]
        sizes = [[len(rows) for rows in side] for side in sides]
        filled = [[rows for rows in side if len(rows)] for side in sides]
        if not all(filled):
            return [None] * len(chosen)
        rows = [np.concatenate(side).astype(np.float64) for side in filled]
        if sum(map(len, rows)) < rows[0].shape[1]:
            rows = np.split(np.linalg.qr(np.concatenate(rows).T, mode="r").T, [len(rows[0])])
        values = []
        for clips in chosen:
            counts = [np.repeat(np.bincount(clips, minlength=len(size)), size) for size in sizes]
            drawn = [side[count > 0] for side, count in zip(rows, counts)]
            values.append(frechet_distance(*drawn, self.ddof, *(count[count > 0] for count in counts)))
        return values


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
