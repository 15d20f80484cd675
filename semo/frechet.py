"""Frechet distance between Gaussians fitted to two sets of features, without a matrix square root.

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) (Dowson and Landau 1982). With centred features A, B (rows scaled so
that S1 = A^T A and S2 = B^T B) the last trace is the nuclear norm of A B^T: exact also where there are fewer rows than
dimensions and S1 S2 is singular, where scipy's sqrtm adds the square roots of round-off. With more rows than dimensions
it is the sum of the square roots of the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2).
"""

from __future__ import annotations

import numpy as np


def frechet_distance(real: np.ndarray, fake: np.ndarray, ddof: int = 1) -> float | None:
    """(n, d) and (m, d) features -> distance >= 0; covariances divided by n - ddof, m - ddof.

    None where a set has too few rows for a covariance. Raises ValueError on unequal widths or non-finite values.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features have shapes {real.shape} and {fake.shape}: both must be (rows, same width)")
    if min(len(real), len(fake)) <= max(ddof, 1):
        return None
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("features hold NaN or infinite values: the network failed on some frame")
    shift = real.mean(0) - fake.mean(0)
    a = (real - real.mean(0)) / np.sqrt(len(real) - ddof)
    b = (fake - fake.mean(0)) / np.sqrt(len(fake) - ddof)
    distance = shift @ shift + (a * a).sum() + (b * b).sum() - 2.0 * _trace_of_root(a, b)
    return max(0.0, float(distance))


def _trace_of_root(a: np.ndarray, b: np.ndarray) -> float:
    """tr (a^T a b^T b)^(1/2) of (n, d) and (m, d)."""
    if min(len(a), len(b)) < a.shape[1]:
        return float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    values, vectors = np.linalg.eigh(a.T @ a)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))  # root @ root^T = S1
    projected = b @ root
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(projected.T @ projected), 0.0, None)).sum())
