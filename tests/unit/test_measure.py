"""The engine that feeds one decode to every metric: same values however it is cut, kept, or repeated."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import semo.measure as engine
from semo.features.cache import FeatureCache
from semo.measure import Measurer, Pair, Side, floor_of, set_values
from semo.metrics import MetricError, metric
from tests.unit import fake_network

NAMES = ("psnr", "ssim", "l1", "fd_colour", "colour_gap", "net_difference", "heard")


@pytest.fixture(autouse=True)
def network(tmp_path_factory, monkeypatch):
    fake_network.install(tmp_path_factory.mktemp("fake"), monkeypatch)
    yield
    monkeypatch.undo()
    fake_network.forget()


@pytest.fixture
def fed():
    module = importlib.import_module("semo.features.fake_net")
    module.FED.clear()
    return module.FED


def frames(seed: int, count: int = 9, size: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def side(array: np.ndarray, name: str, sound: float | None = None) -> Side:
    samples = None if sound is None else np.full(len(array) * 640, sound, np.float32)
    return Side(name, lambda: iter(array), lambda: samples, f"sound {sound}")


def pair(real: np.ndarray, fake: np.ndarray, name: str = "a", person: str = "p", sound: float | None = 0.5) -> Pair:
    sides = side(real, f"real {name}"), side(fake, f"fake {name}", sound)
    return Pair(name, person, *sides, source=lambda: real[0], source_key=f"source {name}")


def measurer(cache: FeatureCache | None = None, names=NAMES) -> Measurer:
    return Measurer([metric(name) for name in names], cache)


def test_values_are_those_of_the_metrics_alone():
    real, fake = frames(0), frames(1)
    values = measurer().measure(pair(real, fake)).values
    for name in ("psnr", "ssim", "l1"):
        assert values[name] == pytest.approx(metric(name).clip(real, fake, real[0]), abs=1e-12)
    assert values["net_difference"] == pytest.approx(np.abs(real.astype(float) - fake).mean())
    means = [clip.astype(np.float32).mean(axis=(0, 1, 2)) for clip in (real, fake)]
    assert values["colour_gap"] == pytest.approx(np.abs(means[0] - means[1]).max(), rel=1e-5)
    assert values["heard"] == pytest.approx(0.5)


@pytest.mark.parametrize("chunk", [1, 4, 9, 50])
def test_chunks_do_not_change_anything(monkeypatch, chunk):
    expected = measurer().measure(pair(frames(0), frames(1)))
    monkeypatch.setattr(engine, "CHUNK", chunk)
    found = measurer().measure(pair(frames(0), frames(1)))
    assert found.values == pytest.approx(expected.values, rel=1e-6)
    for a, b in zip(found.features["fake-colour"], expected.features["fake-colour"], strict=True):
        np.testing.assert_allclose(a["frames"], b["frames"], rtol=1e-6)


def test_a_second_measurement_only_does_arithmetic(tmp_path, fed):
    first = measurer(FeatureCache(tmp_path)).measure(pair(frames(0), frames(1)))
    assert fed
    fed.clear()

    def unreadable():
        raise AssertionError("the video was decoded again")

    again = pair(frames(0), frames(1))
    sides = [Side(s.key, unreadable, unreadable, s.sound_key) for s in (again.real, again.fake)]
    second = measurer(FeatureCache(tmp_path)).measure(Pair("a", "p", *sides, unreadable, again.source_key))
    assert not fed
    assert second.values == first.values


def test_the_true_side_is_read_once_for_all_methods(tmp_path, fed):
    cache = FeatureCache(tmp_path)
    measurer(cache, ["colour_gap"]).measure(pair(frames(0), frames(1)))
    fed.clear()
    real, other = frames(0), frames(2)
    measurer(cache, ["colour_gap"]).measure(
        Pair("a", "p", side(real, "real a"), side(other, "another method"), lambda: real[0], "source a")
    )
    assert sum(count for _, count in fed) == len(other)


def test_another_clip_protocol_or_source_is_measured_again(tmp_path):
    cache = FeatureCache(tmp_path)
    first = measurer(cache, ["psnr"]).measure(pair(frames(0), frames(1), "a"))
    assert measurer(cache, ["psnr"]).measure(pair(frames(0), frames(2), "b")).values != first.values
    still, moved = frames(0), frames(3)
    real = side(still, "real")
    one, two = (
        measurer(cache, ["psnr_moving"]).measure(
            Pair("a", "p", real, side(moved, "fake"), lambda s=s: s[0], f"source {s.sum()}")
        )
        for s in (still, frames(4))
    )
    assert one.values != two.values


def test_damaged_and_read_only_caches_do_no_harm(tmp_path, capsys, monkeypatch):
    expected = measurer(FeatureCache(tmp_path)).measure(pair(frames(0), frames(1))).values
    for entry in tmp_path.rglob("*.*"):
        entry.write_bytes(entry.read_bytes()[:20])
    assert measurer(FeatureCache(tmp_path)).measure(pair(frames(0), frames(1))).values == expected

    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert measurer(FeatureCache(blocked)).measure(pair(frames(0), frames(1))).values == expected
    assert capsys.readouterr().err.count("features are not kept") == 1
    assert not list(tmp_path.rglob("*.partial"))


def test_a_missing_network_takes_only_its_metrics_away():
    found = measurer(names=["psnr", "absent"])
    assert [m.name for m in found.metrics] == ["psnr"]
    assert "nobody-has-it.safetensors" in found.not_run["absent"]


def test_sound_decides_what_is_heard(tmp_path):
    cache = FeatureCache(tmp_path)
    loud, quiet, none = (
        measurer(cache, ["heard"]).measure(pair(frames(0), frames(1), sound=s)).values["heard"]
        for s in (0.5, 0.25, None)
    )
    assert (loud, quiet, none) == (0.5, 0.25, None)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (frames(0, 9), frames(1, 8), "differ in length"),
        (frames(0, 9, 16), frames(1, 9, 12), "sizes differ"),
        (frames(0, 0), frames(1, 0), "no frames"),
    ],
)
def test_pairs_that_cannot_be_measured(real, fake, message):
    with pytest.raises(MetricError, match=message):
        measurer(names=["psnr"]).measure(
            Pair("a", "p", side(real, "r"), side(fake, "f"), lambda: np.zeros((16, 16, 3), np.uint8))
        )


def test_a_size_that_changes_inside_a_clip_is_refused():
    real = frames(0)
    changing = Side("c", lambda: iter([*real[:4], *frames(1, 5, 12)]), lambda: None)
    with pytest.raises(MetricError, match="changes inside"):
        measurer(names=["psnr"]).measure(Pair("a", "p", side(real, "r"), changing, lambda: real[0]))


def test_nan_is_no_value():
    real = frames(0)
    with pytest.raises(MetricError, match="colour_gap is nan"):
        measurer(names=["colour_gap"]).measure(
            Pair("a", "p", side(real, "r"), side(real, "f"), lambda: real[0], truth=lambda: {"gap": np.array(np.nan)})
        )


def many(count: int, shift: float = 0.0):
    """Measured pairs of `count` people with two clips each, and their people."""
    found, people = [], []
    for i in range(2 * count):
        real = frames(i)
        fake = np.clip(frames(1000 + i) + shift, 0, 255).astype(np.uint8)
        found.append(measurer(names=["fd_colour"]).measure(pair(real, fake, f"{i:03d}", f"p{i // 2}")))
        people.append(f"p{i // 2}")
    return found, people


def test_set_metrics_have_intervals_around_their_value():
    found, people = many(8, shift=20)
    result = set_values([metric("fd_colour")], found, people)["fd_colour"]
    assert result.low < result.mean < result.high and (result.clips, result.people) == (16, 8)
    assert set_values([metric("fd_colour")], found, people)["fd_colour"] == result
    few = set_values([metric("fd_colour")], found[:4], people[:4])["fd_colour"]
    assert few.low is None


def test_the_floor_compares_sets_of_equal_size():
    found, people = many(8, shift=40)
    floor = floor_of(metric("fd_colour"), found, people)
    assert floor.clips == 8 and floor.real < floor.fake
    assert floor_of(metric("fd_colour"), found[:1], people[:1]).real is None
