"""Frechet distance: parity with scipy, closed forms, properties, repeated clips."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.frechet import FrechetOfClips, frechet_distance

seeds = st.integers(0, 2**31 - 1)


def rows(seed: int, n: int, d: int, spread: float = 1.0) -> np.ndarray:
    """Correlated features with a mean, float64 (n, d)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * spread / np.sqrt(d) + rng.normal(size=d)


def uncorrelated(seed: int, n: int, deviations: np.ndarray) -> np.ndarray:
    """Rows of mean 0 whose sample covariance is exactly diag(deviations^2)."""
    raw = np.random.default_rng(seed).normal(size=(n, len(deviations)))
    basis, _ = np.linalg.qr(raw - raw.mean(0))
    return (basis - basis.mean(0)) * np.sqrt(n - 1) * deviations


def textbook(real: np.ndarray, fake: np.ndarray, trace_of_root: float) -> float:
    shift = real.mean(0) - fake.mean(0)
    covariances = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    return float(shift @ shift + sum(np.trace(s) for s in covariances) - 2 * trace_of_root)


def by_sqrtm(real: np.ndarray, fake: np.ndarray) -> float:
    product = np.cov(real, rowvar=False) @ np.cov(fake, rowvar=False)
    return textbook(real, fake, float(np.trace(scipy.linalg.sqrtm(product)).real))


def by_eigvals(real: np.ndarray, fake: np.ndarray) -> float:
    product = np.cov(real, rowvar=False) @ np.cov(fake, rowvar=False)
    return textbook(real, fake, float(np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()))


def by_eigh(real: np.ndarray, fake: np.ndarray) -> float:
    values, vectors = np.linalg.eigh(np.cov(real, rowvar=False))
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ np.cov(fake, rowvar=False) @ root)
    return textbook(real, fake, float(np.sqrt(inner.clip(0)).sum()))


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 24), (65, 65, 64), (400, 90, 33)])
def test_equals_scipy_on_full_rank_data(n, m, d):
    """Both are backward stable; what differs is round-off of a well-conditioned root."""
    real, fake = rows(1, n, d), rows(2, m, d, 1.3)
    assert frechet_distance(real, fake) == pytest.approx(by_sqrtm(real, fake), rel=1e-8)


@pytest.mark.parametrize(("n", "m"), [(64, 64), (40, 300), (300, 40)])
@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_four_routes_agree_on_rank_deficient_data(n, m):
    """sqrtm and eigvals add the square roots of round-off of the zero eigenvalues: 1e-4 is what they are good for."""
    real, fake = rows(3, n, 256), rows(4, m, 256, 1.3)
    ours = frechet_distance(real, fake)
    for route in (by_sqrtm, by_eigvals, by_eigh):
        assert ours == pytest.approx(route(real, fake), rel=1e-4)


def test_exact_where_the_matrix_root_is_not():
    """4 rows in 64 dimensions, embedded in 512: the distance stays the same to round-off."""
    real, fake = rows(5, 4, 64), rows(6, 4, 64)
    wide = [np.pad(side, ((0, 0), (0, 448))) for side in (real, fake)]
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(real, fake), rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (20, 300), (2, 1), (2, 2048)])
def test_a_set_against_itself_is_zero(n, d):
    real = rows(7, n, d) if d < 2048 else np.random.default_rng(7).normal(size=(n, d))
    assert frechet_distance(real, real.copy()) == pytest.approx(0.0, abs=1e-9 * d)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (20, 300)])
def test_a_shift_costs_its_square(n, d):
    real, shift = rows(8, n, d), np.random.default_rng(9).normal(size=d)
    assert frechet_distance(real, real + shift) == pytest.approx(shift @ shift, rel=1e-9)


def test_closed_form_for_diagonal_covariances():
    first, second = np.array([1.0, 2.0, 0.5, 3.0]), np.array([2.0, 2.0, 0.1, 1.0])
    shift = np.array([1.0, 0.0, -1.0, 0.5])
    expected = shift @ shift + ((first - second) ** 2).sum()
    for n in (5, 50):
        real, fake = uncorrelated(10, n, first), uncorrelated(11, 2 * n, second) + shift
        assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-10)


def test_one_dimension_by_its_formula():
    real, fake = np.array([[0.0], [2.0]]), np.array([[5.0], [5.0], [8.0]])
    expected = 25.0 + (np.sqrt(2.0) - np.sqrt(3.0)) ** 2
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(real, fake, ddof=0) == pytest.approx(25.0 + (1.0 - np.sqrt(2.0)) ** 2, rel=1e-12)


@pytest.mark.parametrize("ddof", [0, 1])
def test_covariance_is_that_of_numpy(ddof):
    """Against a single point-like set the trace of the covariance remains, which np.cov gives."""
    real = rows(12, 50, 6)
    still = np.tile(real.mean(0), (3, 1))
    expected = np.trace(np.cov(real, rowvar=False, ddof=ddof))
    assert frechet_distance(real, still, ddof) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("columns", [[0, 1, 2, 2], [0, 1, 2, 3]])
def test_singular_covariance_with_many_rows(columns):
    """A feature twice, or one that never changes: no Cholesky factor exists, the distance does."""
    real, fake = rows(13, 90, 4)[:, columns], rows(14, 70, 4, 2.0)[:, columns]
    if columns[-1] == 3:
        real[:, 3] = fake[:, 3] = 1.5
    reference = frechet_distance(real[:, :3], fake[:, :3])
    if columns[-1] == 2:  # the repeated feature counts twice: scaled by sqrt(2) it would count the same
        scale = np.array([1.0, 1.0, np.sqrt(2.0)])
        reference = frechet_distance(real[:, :3] * scale, fake[:, :3] * scale)
    assert frechet_distance(real, fake) == pytest.approx(reference, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 12), st.integers(2, 12), st.integers(1, 8))
def test_symmetric_and_independent_of_row_order_and_rotation(seed, n, m, d):
    real, fake = rows(seed, n, d), rows(seed + 1, m, d)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    value = frechet_distance(real, fake)
    near = pytest.approx(value, rel=1e-6, abs=1e-6)  # square roots of eigenvalues near 0 keep half the digits
    assert value >= 0.0
    assert frechet_distance(fake, real) == near
    assert frechet_distance(rng.permutation(real), rng.permutation(fake)) == near
    assert frechet_distance(real @ rotation, fake @ rotation) == near
    assert frechet_distance(3.0 * real, 3.0 * fake) == pytest.approx(9.0 * value, rel=1e-6, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([(3, 40), (40, 3)]), st.integers(0, 1))
def test_counts_stand_for_repeated_rows(seed, shape, ddof):
    real, fake = rows(seed, *shape), rows(seed + 1, *shape)
    counts = np.random.default_rng(seed).integers(1, 4, (2, shape[0]))
    repeated = [np.repeat(side, times, axis=0) for side, times in zip((real, fake), counts)]
    assert frechet_distance(real, fake, ddof, *counts) == pytest.approx(frechet_distance(*repeated, ddof), rel=1e-7)


@pytest.mark.parametrize("d", [3, 12, 200])
@pytest.mark.parametrize("ddof", [0, 1])
def test_resampled_clips_are_measured_as_if_one_by_one(d, ddof):
    """Wide features through a basis of their rows, repeated clips through counts: the same value to round-off."""
    rng = np.random.default_rng(d)
    real, fake = ([{"x": rng.normal(mean, 1, (n, d)).astype(np.float32)} for n in sizes]
                  for mean, sizes in ((0.0, (3, 5, 4, 2)), (0.3, (4, 4, 0, 6))))
    fake[2] = {"x": np.zeros((0, 0), np.float32)}
    chosen = [np.array(clips) for clips in ([0, 1, 2, 3], [3, 3, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 0, 1, 0])]
    distance = FrechetOfClips("x", ddof)
    expected = [distance([real[i] for i in clips], [fake[i] for i in clips]) for clips in chosen]
    found = distance.resampled(real, fake, chosen)
    assert expected[3] is found[3] is None, "a draw whose generated clips are all too short has no value"
    for ours, alone in zip(found[:3] + found[4:], expected[:3] + expected[4:]):
        assert ours == pytest.approx(alone, rel=1e-6)


def test_clips_without_rows_add_nothing():
    empty = {"windows": np.zeros((0, 0), np.float32)}
    clips = [{"windows": rows(seed, 3, 5)} for seed in range(4)]
    distance = FrechetOfClips("windows", ddof=0)
    assert distance([empty, *clips[:2]], [*clips[2:], empty]) == distance(clips[:2], clips[2:])
    assert distance([empty], clips) is None
    assert distance.resampled([empty], [clips[0]], [np.array([0])]) == [None]


def test_too_few_rows_have_no_distance():
    assert frechet_distance(rows(0, 1, 4), rows(1, 9, 4)) is None
    assert frechet_distance(rows(0, 9, 4), rows(1, 1, 4), ddof=0) is None
    assert frechet_distance(rows(0, 2, 4), rows(1, 2, 4)) is not None


def test_bad_features_are_refused():
    good, broken = rows(0, 9, 4), rows(1, 9, 4)
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(good, broken)
    with pytest.raises(ValueError, match="same width"):
        frechet_distance(good, good[:, :3])
    with pytest.raises(ValueError, match="shapes"):
        frechet_distance(good[0], good)
