"""The clustered bootstrap: known answers, independence of order, coverage on simulated people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.stats import (
    MIN_PEOPLE,
    clip_draws,
    estimate,
    holm,
    kendall_tau,
    paired_difference,
    set_estimate,
    sign_flip_p,
)


def people(count: int, clips: int) -> list[str]:
    return [f"p{i:03d}" for i in range(count) for _ in range(clips)]


def test_constant_values_have_no_width():
    result = estimate([3.5] * 30, people(10, 3))
    assert (result.mean, result.low, result.high, result.clips, result.people) == (3.5, 3.5, 3.5, 30, 10)


def test_one_clip_per_person_is_the_textbook_interval():
    """For n independent values the bootstrap's spread is the population sd / sqrt(n)."""
    values = np.random.default_rng(0).normal(size=400)
    result = estimate(values, people(400, 1), draws=4000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert result.mean == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_people_widen_the_interval():
    """Three equal clips of each person hold no more than one: treating them as independent would be too narrow."""
    person = np.random.default_rng(1).normal(size=20)
    clustered = estimate(np.repeat(person, 3), people(20, 3))
    pretended = estimate(np.repeat(person, 3), people(60, 1))
    assert (clustered.high - clustered.low) > 1.5 * (pretended.high - pretended.low)


def test_few_people_give_no_interval():
    result = estimate([1.0, 2.0, 3.0, 4.0], people(MIN_PEOPLE - 1, 1))
    assert (result.mean, result.low, result.high) == (2.5, None, None)


def test_seeded():
    values = np.random.default_rng(2).normal(size=30)
    assert estimate(values, people(10, 3)) == estimate(values, people(10, 3))
    assert estimate(values, people(10, 3)) != estimate(values, people(10, 3), seed=1)


def test_chunks_do_not_change_the_answer(monkeypatch):
    values = np.random.default_rng(3).normal(size=30)
    whole = estimate(values, people(10, 3))
    monkeypatch.setattr("semo.stats._CHUNK_VALUES", 10 * 3 * 100)
    chunked = estimate(values, people(10, 3))
    assert chunked.low == pytest.approx(whole.low, abs=0.1) and chunked.high == pytest.approx(whole.high, abs=0.1)


def test_unequal_numbers_of_clips():
    result = estimate([1, 1, 1, 1, 2, 3, 4, 5], ["a"] * 4 + ["b", "c", "d", "e"])
    assert (result.clips, result.people) == (8, 5)
    assert result.low < result.mean < result.high


@pytest.mark.parametrize(("values", "names"), [([], []), ([1.0], []), ([1.0, float("nan")], ["a", "b"])])
def test_bad_input(values, names):
    with pytest.raises(ValueError, match="estimate needs"):
        estimate(values, names)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)), st.floats(-50, 50))
def test_order_and_shift(order, shift):
    values, names = np.random.default_rng(4).normal(size=12), np.array(people(6, 2))
    base = estimate(values, names, draws=200)
    other = estimate(values[order] + shift, names[order], draws=200)
    assert other.low == pytest.approx(base.low + shift, abs=1e-9)
    assert other.high == pytest.approx(base.high + shift, abs=1e-9)
    assert base.low <= base.mean <= base.high


def test_paired_difference_uses_common_clips():
    person = {f"c{i}": f"p{i // 2}" for i in range(12)}
    noise = np.random.default_rng(5).normal(scale=5, size=12)
    first = {f"c{i}": noise[i] + 1.0 for i in range(12)}
    second = {f"c{i}": noise[i] for i in range(12)} | {"other": 7.0}
    result = paired_difference(first, second, person)
    assert result.mean == pytest.approx(1.0) and result.low == pytest.approx(1.0) and result.clips == 12
    with pytest.raises(ValueError, match="no clip in common"):
        paired_difference(first, {"other": 1.0}, person)


def test_coverage():
    """10 people x 3 clips with a person effect: the 95 % interval must hold the truth nearly that often."""
    rng = np.random.default_rng(6)
    names = people(10, 3)
    hits = 0
    for _ in range(200):
        values = np.repeat(rng.normal(size=10), 3) + rng.normal(scale=0.7, size=30)
        result = estimate(values, names, draws=300)
        hits += result.low <= 0.0 <= result.high
    assert 0.88 <= hits / 200 <= 0.99


def test_draws_take_whole_people():
    """Every draw has as many people as there are, each with all of its number of clips."""
    who = ["a", "a", "a", "b", "c", "c"]
    sizes = {"a": 3, "b": 1, "c": 2}
    for clips in clip_draws(who, seed=0, draws=50):
        drawn = [who[i] for i in clips]
        assert all(drawn.count(p) % sizes[p] == 0 for p in sizes)
        assert sum(drawn.count(p) // sizes[p] for p in sizes) == 3
    again = clip_draws(who, seed=0, draws=50)
    assert all((a == b).all() for a, b in zip(clip_draws(who, 0, 50), again, strict=True))


def test_interval_of_a_set_is_laid_around_its_value():
    """Repeated clips raise a distance; the interval must not: it holds the value whatever that bias is."""
    values = np.random.default_rng(0).normal(size=40)

    def biased(draws):
        return [float(values[clips].mean()) + 5.0 for clips in draws]

    result = set_estimate(0.0, biased, people(20, 2), draws=400)
    assert result.low < 0 < result.high
    assert result.high - result.low == pytest.approx(3.92 * values.std() / np.sqrt(40), rel=0.35)
    assert set_estimate(0.0, biased, people(4, 2)).low is None
    assert set_estimate(0.0, lambda draws: [None] * len(draws), people(20, 2)).low is None


def test_sign_flips_of_few_people_are_counted_out():
    assert sign_flip_p([1.0, 1.0, 1.0], ["a", "b", "c"]) == pytest.approx(2 / 8)
    assert sign_flip_p([1.0] * 6, ["a", "a", "b", "b", "c", "c"]) == pytest.approx(2 / 8), "clips of one person are one"
    assert sign_flip_p([1.0, -1.0], ["a", "b"]) == 1.0
    with pytest.raises(ValueError, match="one person each"):
        sign_flip_p([1.0], [])


def test_sign_flips_hold_their_level():
    """Without a difference, p <= 0.05 comes up in about 5 % of experiments."""
    rng = np.random.default_rng(0)
    found = [sign_flip_p(rng.normal(size=30), people(30, 1), draws=400) for _ in range(300)]
    assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.09
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_kendall_by_hand():
    paper = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert kendall_tau({"a": 10, "b": 20, "c": 30}, paper) == (1.0, 3)
    assert kendall_tau({"a": 30, "b": 20, "c": 10}, paper) == (-1.0, 3)
    assert kendall_tau({"a": 10, "b": 30, "c": 20, "d": 40}, paper) == (pytest.approx(2 / 3), 4)
    assert kendall_tau({"a": 1, "b": 2}, paper) is None
    assert kendall_tau({"a": 1, "b": 1, "c": 1}, paper) is None
