"""The arithmetic behind the figures that look into the model: linear probe, sharpness, size of the motion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from semo.report.figures.motion_size import NAME
from semo.report.figures.objects import Sample, finding
from semo.report.figures.probe import Frames, _identity, _probe, parameters, r_squared, ridge
from semo.report.figures.sampler_steps import sharpness


def test_ridge_finds_a_linear_map_and_not_noise():
    rng = np.random.default_rng(0)
    x, unseen = rng.normal(3, 1, (400, 12)), rng.normal(3, 1, (200, 12))
    true = rng.normal(0, 1, (12, 2))
    weights, mean_x, mean_y = ridge(x, x @ true + 5)
    np.testing.assert_allclose((unseen - mean_x) @ weights + mean_y, unseen @ true + 5, atol=0.05)
    weights, mean_x, mean_y = ridge(x[:40], rng.normal(0, 1, (40, 2)))
    assert np.abs(weights).max() < 0.3  # leave-one-out chooses a strong penalty


def test_ridge_with_more_tokens_than_frames():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (60, 3)) @ rng.normal(0, 1, (3, 200))
    weights, mean_x, mean_y = ridge(x[:30], x[:30, :1])
    assert r_squared((x[30:] - mean_x) @ weights + mean_y, x[30:, :1])[0] > 0.99


def test_r_squared_has_known_values():
    true = np.array([[1.0], [2.0], [3.0]])
    assert r_squared(true, true)[0] == 1
    assert r_squared(np.full((3, 1), 2.0), true)[0] == 0
    assert r_squared(true[::-1], true)[0] == pytest.approx(-3)


def frames(rng: np.random.Generator, people: list[str]) -> Frames:
    """Two clips of eight frames per person; a frame is only its number."""
    count = 16 * len(people)
    return Frames(
        np.arange(count),
        rng.normal(0, 1, (count, len(parameters()))),
        np.arange(count) // 8,
        np.repeat(people, 16).tolist(),
    )


class Numbers:
    """Stands for a tensor of tokens."""

    def __init__(self, values):
        self.values = values

    def flatten(self, start):
        return self

    float = cpu = lambda self: self

    def numpy(self):
        return self.values


def test_probe_reads_motion_within_a_clip_and_people_between_clips():
    rng = np.random.default_rng(2)
    people = [f"p{i}" for i in range(6)]
    splits = {split: frames(rng, people) for split in ("train", "test", "seen")}
    offset = rng.normal(0, 5, (6, len(parameters())))  # what tells people apart is laid over the motion

    def tokens_of(split):
        part = splits[split]
        return part.motion + offset[[people.index(person) for person in part.people]]

    order = iter(splits)
    found = _probe(lambda _: Numbers(tokens_of(next(order))), splits)
    assert found.among == 6 and found.identity == 1
    assert min(found.motion.values()) > 0.95


def test_identity_is_at_chance_for_tokens_without_people():
    rng = np.random.default_rng(3)
    people = [f"p{i}" for i in range(5)]
    splits = {split: frames(rng, people) for split in ("train", "seen")}
    tokens = {split: rng.normal(0, 1, (80, 20)) for split in splits}
    share, among = _identity(tokens, splits)
    assert among == 5 and share == pytest.approx(0.2, abs=0.15)


def test_sharpness_falls_with_blur():
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    blurred = gaussian_filter(picture.astype(float), (0, 1, 1, 0)).astype(np.uint8)
    assert sharpness(blurred) < 0.2 * sharpness(picture)
    assert sharpness(np.full((2, 32, 32, 3), 7, np.uint8)) == 0


@pytest.mark.parametrize(("run", "numbers"), [("T1D512", 512), ("T4D128", 512), ("T1D4", 4), ("T1D512-nomask", None)])
def test_names_of_runs_tell_their_size(run, numbers):
    found = NAME.match(run)
    assert (int(found[1]) * int(found[2]) if found else None) == numbers


@pytest.mark.parametrize(
    ("second", "by_motion", "said"),
    [
        ([3.0, 3.1, 2.9, 3.0, 3.0], 1.0, "Two objects fare worse than one: gain over copying +4.0 and +3.0 dB"),
        ([5.0, 5.1, 4.9, 5.0, 5.0], 1.0, "Two objects fare better than one: gain over copying +4.0 and +5.0 dB"),
        ([5.0, 3.0, 4.5, 3.5, 4.0], 1.0,
         "Two objects fare neither worse nor better than one: gain over copying +4.0 and +4.0 dB"),
        ([3.0, 3.0], 1.0, "One object and two: gain over copying +4.0 and +3.0 dB"),
        ([3.0, 3.0, 3.0, 3.0, 3.0], 0.2,
         "This model hardly uses the motion: it adds +0.2 dB for one object and +0.2 dB for two"),
    ],
)  # fmt: skip
def test_what_a_second_object_changes_is_said_with_its_interval(second, by_motion, said):
    """Gains of 4 dB with one object; too few scenes for an interval claim nothing, nor does a model without motion."""
    nothing = np.zeros(0)
    samples = {
        kind: {str(n): Sample(nothing, nothing, 10 + gain, 10 + gain - by_motion, 10.0) for n, gain in enumerate(gains)}
        for kind, gains in (("one", [4.0] * len(second)), ("two", second))
    }
    assert finding(samples) == said
    assert len(said) < 92, "fits above the pictures"
