"""The controls of Tables 3 and 4: whose motion they show, relative to what, for how long."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from baselines.mean_motion.method import Method as MeanMotion
from baselines.method import ClipContext, MethodUnavailable, make_method
from baselines.other_motion.method import Method as OtherMotion
from semo.clips import Clip, ClipSet, read_table, write_table
from semo.generate import Job, generate
from semo.media import read_frames
from semo.pipeline import released
from semo.tasks import other_clip
from tests.unit.fake_clips import FRAMES, SIZE, prepared, video


def motion_of(frames: np.ndarray) -> np.ndarray:
    return 3 * frames[:, frames.shape[1] // 3, :, 0].argmax(1) + frames[:, 0, 0, 0]


class Pipeline:
    """Motion is where the square of a fake clip is, and its corner's grey; a frame is its motion in grey."""

    config = SimpleNamespace(sampler_steps=3)
    codec = motion_encoder = decoder = torch.nn.Linear(1, 1)
    motion_stats = (torch.full((1, 1), 77.0), torch.ones(1, 1))

    def encode_motion(self, frames):
        return torch.from_numpy(motion_of(frames)).float()[:, None, None]

    def render(self, source, motions, steps, seed):
        for some in motions(self.encode_motion(source[None])):
            for motion in some:
                yield np.full_like(source, int(motion.round().clamp(0, 255)))


@pytest.fixture
def clips(tmp_path) -> Path:
    return prepared(tmp_path / "clips")


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("semo.pipeline.SeMoPipeline.from_pretrained", lambda folder, device: Pipeline())


def job(clips: Path, out: Path, method: str, **more) -> Job:
    return Job(task="talk", method=method, plugin=method, clips=clips, out=out, weights=clips, **more)


def test_the_next_person_lends_the_clip_at_the_same_place(clips):
    found = ClipSet(clips)
    assert [other_clip(found, f"fake-{name}", "test").clip for name in ("p0-c0", "p0-c1", "p1-c0", "p1-c1")] == [
        "fake-p1-c0", "fake-p1-c1", "fake-p0-c0", "fake-p0-c1"
    ]  # fmt: skip
    rows = [row for row in read_table(clips / "manifest.tsv", Clip) if row.clip != "fake-p1-c1"]
    write_table(clips / "manifest.tsv", Clip, reversed(rows))
    assert other_clip(ClipSet(clips), "fake-p0-c1", "test").clip == "fake-p1-c0", "fewer clips, another order"


def test_other_motion_starts_at_the_portrait_and_moves_as_the_other_clip(clips, tmp_path, fake):
    record = generate(job(clips, tmp_path / "made", "other-motion"))
    assert (record["kind"], record["label"], record["clips"]) == ("control", "other-motion", 4)
    made = read_frames(tmp_path / "made" / "fake-p0-c1.mkv")
    own, other = (motion_of(video(person, 1)) for person in (0, 1))
    assert (made == (own[0] + other - other[0])[:, None, None, None]).all()
    assert np.ptp(other) > 2 and "relative" in record["settings"]["motion"] and record["settings"]["steps"] == 3


def test_limits_do_not_change_whose_motion_it_is(clips, tmp_path, fake):
    generate(job(clips, tmp_path / "all", "other-motion"))
    generate(job(clips, tmp_path / "few", "other-motion", max_clips=1, max_frames=4))
    few, whole = (read_frames(tmp_path / name / "fake-p0-c0.mkv") for name in ("few", "all"))
    assert np.array_equal(few, whole[:4])


@pytest.mark.parametrize(("length", "frames"), [(3, 11), (1, 5), (7, 7), (20, 40)])
def test_a_short_clip_runs_forth_and_back(length, frames):
    levels = np.arange(length) * 2 + 10
    other = [np.full((4, 4, 3), level, np.uint8) for level in levels]
    source = np.full((4, 4, 3), 50, np.uint8)
    method = OtherMotion()
    method._pipeline = Pipeline()
    context = ClipContext("c", 0, annotations={"other_clip": lambda: iter(other)})
    made = [int(f[0, 0, 0]) for f in method.talk(source, np.zeros(frames * 640, np.float32), frames, context)]
    expected = [*range(length), *range(length - 2, 0, -1)] * frames
    assert made == [50 + 2 * i for i in expected[:frames]]


def test_mean_motion_is_the_same_in_every_frame_of_every_clip(clips, tmp_path, fake):
    record = generate(job(clips, tmp_path / "made", "mean-motion"))
    made = [read_frames(path) for path in sorted((tmp_path / "made").glob("*.mkv"))]
    assert record["kind"] == "control" and all((frames == 77).all() and len(frames) == FRAMES for frames in made)


def test_one_person_or_no_mean_is_said(clips, tmp_path, fake, monkeypatch):
    rows = [replace(row, identity="p0") for row in read_table(clips / "manifest.tsv", Clip)]
    write_table(clips / "manifest.tsv", Clip, rows)
    record = generate(job(clips, tmp_path / "made", "other-motion"))
    assert record["status"] == "unavailable" and "shows one person" in record["reason"]
    monkeypatch.setattr(Pipeline, "motion_stats", None)
    record = generate(job(clips, tmp_path / "mean", "mean-motion"))
    assert record["status"] == "unavailable" and "stage 2" in record["reason"]
    assert json.loads((tmp_path / "mean/run.json").read_text())["reason"] == record["reason"]


@pytest.mark.parametrize("kind", [OtherMotion, MeanMotion])
def test_controls_need_a_model_and_do_one_task(kind):
    method = kind()
    with pytest.raises(MethodUnavailable, match="needs the SeMo model folder"):
        method.load(None, "mini", "cpu")
    with pytest.raises(MethodUnavailable, match="driven by sound"):
        method.reconstruct(None, iter(()), None)
    assert method.tasks == ("talk",)


@pytest.mark.parametrize("name", ["other-motion", "mean-motion"])
def test_with_the_released_model(name):
    """The sound is not listened to, equal seeds give equal frames, and the frames are of the portrait."""
    method = make_method(name)
    method.load(released(), "mini", "cpu")
    source = np.repeat(np.repeat(video(0, 0)[0], 64 // SIZE, 0), 64 // SIZE, 1)
    other = [np.roll(source, shift, 1) for shift in range(3)]
    context = ClipContext("c", 5, options={"steps": 1}, annotations={"other_clip": lambda: iter(other)})
    sounds = np.zeros(5 * 640, np.float32), np.random.default_rng(0).normal(size=5 * 640).astype(np.float32)
    first, second = (np.stack(list(method.talk(source, sound, 5, context))) for sound in sounds)
    assert first.shape == (5, 64, 64, 3) and np.array_equal(first, second)
    assert method.parameters("talk") > 1e6
    near = [np.abs(first[i].astype(int) - first[j]).max() for i, j in ((1, 3), (0, 2), (0, 4))]
    assert near[0] <= 1, "equal but for rounding, which depends on the place in a batch"
    assert near[1] > 3 if name == "other-motion" else max(near) <= 1
