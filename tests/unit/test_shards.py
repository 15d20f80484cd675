"""Shards: what one job writes, what is refused, and that samples are a function of seed, step and part alone."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.clips import ClipSet
from semo.codec import AutoencoderCodec
from semo.corpora.lock import exclusive
from semo.datasets import Dataset
from semo.errors import DatasetError, WriteError
from semo.media import write_lossless
from semo.pipeline import SeMoPipeline
from semo.prepare import Preparation
from semo.shards import prepare
from semo.shards.prepare import Encoders, ShardPreparation, gather, shard_folder, shard_of
from semo.shards.store import Index, Shard, ShardClip, ShardWriter, Statistics, StoreSettings, read_shard
from semo.train.__main__ import main as train_main
from semo.train.data import WHOLE, FrameBank, Part
from semo.train.settings import load_preset
from semo.train.stream import Stream, StreamBank, is_sharded
from tests.unit import media_samples as samples

PRESET = load_preset("smoke")
SETTINGS = StoreSettings(64, "vae", None, "logmel", None)
GENERATOR = torch.Generator()


def own(folder: Path) -> Dataset:
    return Dataset("own", "folder", str(folder), "own", detector="none", min_frames=2, split={"test_share": 0.3})


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Seven people with a video each, with sound but for one."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for person in range(7):
        texture = rng.integers(0, 255, (64, 64, 3), np.uint8)
        frames = np.stack([np.roll(texture, t, axis=1) for t in range(24 + person)])
        write_lossless(folder / f"p{person}.mkv", frames, audio=samples.click(1.0, 0.4) if person else None)
    return folder


def make(videos: Path, out: Path, number: int, count: int = 2) -> dict:
    return ShardPreparation(Preparation(own(videos), 64, out), PRESET, number, count).run()


@pytest.fixture(scope="module")
def sharded(videos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sharded")
    for number in (1, 0):
        make(videos, out, number)
    gather(Preparation(own(videos), 64, out), 2)
    return out


# preparation


def test_shards_hold_what_the_files_hold(videos, sharded, tmp_path):
    Preparation(own(videos), 64, tmp_path).run()
    plain, found = ClipSet(tmp_path), ClipSet(sharded)
    assert sorted(found.clips, key=lambda c: c.clip) == sorted(plain.clips, key=lambda c: c.clip)
    index, encoder = Index.read(sharded), Encoders.of(PRESET, "cpu").audio
    stored = {clip.clip: clip for shard in index.shards for clip in read_shard(shard, "frames", audio=True)}
    assert set(stored) == {clip.clip for clip in plain.select("train")} and len(stored) > 3
    for name, clip in stored.items():
        assert np.array_equal(clip.frames, plain.frames(name))
        if plain[name].has_audio:
            expected = encoder.encode(plain.audio(name), plain[name].frames)
            np.testing.assert_allclose(clip.audio, expected, atol=4e-3)  # half precision of values up to 3
        else:
            assert clip.audio is None
    for clip in plain.clips:
        if clip.split != "train":
            assert np.array_equal(found.frames(clip), plain.frames(clip))


def test_layout_is_that_of_webdataset(sharded):
    """Members of a sample follow each other and share the name before the first dot."""
    for path in sharded.glob("shards/2/*/data.tar"):
        with tarfile.open(path) as tar:
            keys = [member.name.partition(".")[0] for member in tar.getmembers()]
        runs = [key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
        assert len(runs) == len(set(runs))


def test_a_finished_shard_is_kept_and_remade_when_a_video_changes(videos, tmp_path):
    copies = tmp_path / "videos"
    copies.mkdir()
    for video in videos.iterdir():
        (copies / video.name).write_bytes(video.read_bytes())
    first = make(copies, tmp_path / "out", 0)
    data = shard_folder(tmp_path / "out", 0, 2) / "data.tar"
    state, content = data.stat().st_ino, data.read_bytes()
    assert make(copies, tmp_path / "out", 0) == first and data.stat().st_ino == state
    data.write_bytes(content[:-1])  # partial: made again, to the same bytes
    assert make(copies, tmp_path / "out", 0) == first and data.read_bytes() == content
    mine = next(video for video in sorted(copies.iterdir()) if shard_of(video.name, 2) == 0)
    write_lossless(mine, np.zeros((30, 64, 64, 3), np.uint8))
    assert make(copies, tmp_path / "out", 0)["key"] != first["key"]


def test_a_killed_job_leaves_nothing_that_counts(videos, tmp_path, monkeypatch):
    written = []

    def killed(self, *arguments):
        written.append(arguments)
        if len(written) == 2:
            raise KeyboardInterrupt
        return add(self, *arguments)

    add = ShardWriter.add
    number = max((0, 1), key=lambda n: sum(shard_of(v.name, 2) == n for v in videos.iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            make(videos, tmp_path, number)
    folder = shard_folder(tmp_path, number, 2)
    assert {path.name for path in folder.iterdir()} == {".lock"}
    with pytest.raises(DatasetError, match="this shard is not finished"):
        gather(Preparation(own(videos), 64, tmp_path), 2)
    (folder / ".data.tar.1.partial").touch()  # of a job that was killed harder
    make(videos, tmp_path, number)
    assert {path.name for path in folder.iterdir()} == {".lock", "data.tar", "part.json"}


def test_full_disk(videos, tmp_path, monkeypatch):
    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ShardWriter, "_member", full)
    number = next(n for n in (0, 1) if any(shard_of(v.name, 2) == n for v in videos.iterdir()))
    with pytest.raises(WriteError, match="data.tar: the disk is full; nothing was written, free some space"):
        make(videos, tmp_path, number)
    assert not list(tmp_path.rglob("*.tar")) and not list(tmp_path.rglob("*.partial"))


def test_two_jobs_on_one_shard(videos, tmp_path):
    with exclusive(shard_folder(tmp_path, 0, 2)):
        with pytest.raises(DatasetError, match="is at work there"):
            make(videos, tmp_path, 0)
        make(videos, tmp_path, 1)  # the others are not held up
    with pytest.raises(DatasetError, match="there is no shard 2 of 2"):
        make(videos, tmp_path, 2)


def test_shards_of_other_settings_are_not_gathered(videos, tmp_path):
    for number in range(2):
        make(videos, tmp_path, number)
    preparation = Preparation(own(videos), 32, tmp_path)
    ShardPreparation(preparation, replace(PRESET, frame_size=32), 1, 2).run()
    with pytest.raises(DatasetError, match=r"shards/2/0000\d: was prepared with other settings than the shards beside"):
        gather(preparation, 2)


class Halving(AutoencoderCodec):
    """A codec that is not light: the mean of 8 x 8 pixels, times two."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.kind, self.channels, self.size = "vae", 3, 8
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def _raw(self, frames):
        return 2 * torch.nn.functional.avg_pool2d(frames, 8)


@pytest.fixture
def latents(videos, tmp_path, monkeypatch) -> Path:
    """A store of latents of `Halving`."""
    preset = load_preset("smoke", ["codec.kind=vae", "codec.path=nowhere"])
    monkeypatch.setattr(prepare, "make_codec", lambda *arguments: Halving())
    preparation = Preparation(own(videos), 64, tmp_path)
    for number in range(2):
        ShardPreparation(preparation, preset, number, 2).run()
    gather(preparation, 2)
    return tmp_path


def test_statistics_of_all_shards_standardise_the_latents(latents, videos, tmp_path):
    bank = StreamBank.read([latents], seed=0)
    codec = bank.fit(Halving())
    bank.prepare(codec, "cpu")
    everything = [clip.frames for shard in bank.indices[0].shards for clip in read_shard(shard, "latents")]
    values = (torch.from_numpy(np.concatenate(everything)).float() - codec.mean) / codec.std
    torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(values.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    names, drawn = bank.draw_pairs(6, GENERATOR, (0, WHOLE))
    assert drawn.shape == (6, 2, 3, 8, 8) and bank.encoded
    assert bank.draw_windows(4, 5, GENERATOR, (3, WHOLE))[1].shape == (4, 6, 3, 8, 8)
    with pytest.raises(ValueError, match="the shards hold latents of the codec vae and the model works with the codec"):
        bank.prepare(type("Pixel", (), {"light": True, "kind": "pixel"})(), "cpu")


# draws


def store(folder: Path, lengths: list[list[int]], name: str = "a") -> Index:
    """Shards of clips of the given lengths; frame t of clip k of shard s holds the values (s, k, t)."""
    shards = []
    for s, frames in enumerate(lengths):
        path = folder / f"{name}{s}.tar"
        with ShardWriter(path) as writer:
            for k, count in enumerate(frames):
                values = np.array([[s, k, t] for t in range(count)], np.float16)[:, :, None, None]
                writer.add({"clip": f"{name}{s}-{k}"}, "latents", values, np.zeros((2 * count, 2)) if k % 2 else None)
        listed = tuple(ShardClip(f"{name}{s}-{k}", count, bool(k % 2)) for k, count in enumerate(frames))
        shards.append(Shard(path, path.stat().st_size, listed))
    return Index(SETTINGS, Statistics(), tuple(shards))


def test_every_clip_is_drawn_equally_often_in_every_epoch(tmp_path):
    index = store(tmp_path, [[4] * 5, [4] * 3, [4] * 4])
    bank = StreamBank([index], seed=0, buffer=4, draws=3)
    epoch = [clip.clip for step in range(9) for clip, _ in bank.samples(4, (step, WHOLE))]
    assert set(Counter(epoch).values()) == {3} and len(set(epoch)) == 12
    following = [clip.clip for step in range(9, 18) for clip, _ in bank.samples(4, (step, WHOLE))]
    assert set(Counter(following).values()) == {3} and following != epoch


def test_data_sets_take_turns_whatever_their_size(tmp_path):
    bank = StreamBank([store(tmp_path, [[4]], "a"), store(tmp_path, [[4] * 30], "b")], seed=0, buffer=8, draws=2)
    names, _ = bank.draw_pairs(101, GENERATOR, (0, WHOLE))
    assert Counter(name[0] for name in names) == {"a": 51, "b": 50}


@settings(max_examples=20, deadline=None)
@given(step=st.integers(0, 400), count=st.sampled_from([1, 2, 4]), length=st.integers(1, 6), seed=st.integers(0, 3))
def test_a_resumed_run_draws_what_an_unbroken_one_draws(tmp_path_factory, step, count, length, seed):
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(seed)
    index = store(folder, [rng.integers(1, 9, rng.integers(0, 5)).tolist() + [8, 9] for _ in range(3)])
    part = Part(step % count, count)

    def bank() -> StreamBank:
        return StreamBank([index], seed, buffer=5, draws=2)

    unbroken, resumed = bank(), bank()
    for earlier in range(max(0, step - 7), step + 1):
        names, frames = unbroken.draw_windows(3, length, GENERATOR, (earlier, part))
    again, same = resumed.draw_windows(3, length, GENERATOR, (step, part))
    assert names == again and torch.equal(frames, same)
    assert all(int(name.partition("-")[0][1:]) == int(f[0, 0, 0, 0]) for name, f in zip(names, frames))
    times = frames[:, 1:, 2, 0, 0]
    assert torch.equal(times.diff(dim=1), torch.ones(3, length - 1))  # windows are consecutive frames of one clip


def test_parts_read_different_shards_and_together_all(tmp_path):
    index = store(tmp_path, [[5] * 4] * 8)
    seen = []
    for number in range(2):
        bank = StreamBank([index], seed=1, buffer=4, draws=1)
        seen.append({clip.clip.partition("-")[0] for step in range(4)
                     for clip, _ in bank.samples(4, (step, Part(number, 2)))})
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == 8


def test_short_and_silent_clips_are_left_out(tmp_path):
    bank = StreamBank([store(tmp_path, [[3, 9, 3, 9], [9, 3]])], seed=0, buffer=3, draws=2)
    assert {clip.clip for clip, _ in bank.samples(20, (0, WHOLE), 5)} == {"a0-1", "a0-3", "a1-0"}
    assert {clip.clip for clip, _ in bank.samples(20, (0, WHOLE), 5, sounding=True)} == {"a0-1", "a0-3"}
    with pytest.raises(ValueError, match="no training clip has 10 frames and sound"):
        bank.samples(1, (0, WHOLE), 10, sounding=True)


def test_a_window_is_read_from_its_shards_in_order(tmp_path):
    """No shard is opened twice for one window, and none that the window does not touch."""
    stream = Stream(store(tmp_path, [[5] * 6] * 6), lambda clip: True, WHOLE, (0, 0), 9, 1, False)
    names = [clip.clip for clip in stream.clips(0, 36)]
    assert sorted(names) == sorted(set(names))
    assert [clip.clip for clip in stream.window(2).clips] == names[18:27]


# damaged stores


@pytest.mark.parametrize("damage", ["cut", "missing", "bytes", "other", "pickled"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    index = store(tmp_path, [[5] * 6])
    shard = index.shards[0]
    content = shard.path.read_bytes()
    if damage == "cut":
        shard.path.write_bytes(content[: len(content) // 2])
    elif damage == "missing":
        shard.path.unlink()
    elif damage == "bytes":  # of the right length, but torn
        shard.path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    elif damage == "other":
        shard = replace(shard, clips=(replace(shard.clips[0], clip="b0-0"), *shard.clips[1:]))
    else:
        place = content.index(b"'descr': '<f2'")
        shard.path.write_bytes(content[:place] + b"'descr': '|O' " + content[place + 14:])
    with pytest.raises(DatasetError, match="a0.tar: .*prepare this shard again: delete its folder"):
        list(read_shard(shard, "latents"))


def test_stores_of_different_settings_are_not_mixed(tmp_path):
    other = replace(store(tmp_path, [[5]], "b"), settings=replace(SETTINGS, frame_size=32))
    with pytest.raises(ValueError, match="prepared in shards of different settings"):
        StreamBank([store(tmp_path, [[5]]), other], seed=0)
    (tmp_path / "plain").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/shards.json").write_text("{}")
    with pytest.raises(ValueError, match="plain is not prepared in shards, as the other data sets are"):
        is_sharded([tmp_path / "mixed", tmp_path / "plain"])
    with pytest.raises(DatasetError, match="gather the shards again"):
        Index.read(tmp_path / "mixed")


# training


def test_all_stages_train_from_shards(sharded, tmp_path):
    before: list[str] = []
    for stage in ("stage1", "stage1b", "stage2", "reflow"):
        command = [stage, "--preset", "smoke", "--clips", str(sharded), *before, "--steps", "1"]
        small = ["--set", "reflow.pairs=4", "reflow.generator_pairs=4", "stage2.window=8", "stage2.previous=4"]
        train_main([*command, "--out", str(tmp_path / stage), *small])
        before = ["--init", str(tmp_path / stage / "model")]
    pipeline = SeMoPipeline.from_pretrained(tmp_path / "reflow" / "model")
    assert pipeline.motion_generator is not None and pipeline.config.training["stage2"]["parts"] == 1
    assert json.loads((tmp_path / "stage1/config.json").read_text())["batch"] == 4


def test_reports_are_of_clips_kept_in_memory(sharded):
    bank = StreamBank.read([sharded], seed=0)
    assert isinstance(bank.kept, FrameBank)
    first = bank.draw_pairs(8, torch.Generator().manual_seed(3))[1]
    assert torch.equal(first, bank.draw_pairs(8, torch.Generator().manual_seed(3))[1])
    assert first.shape == (8, 2, 3, 64, 64) and bank.frame_size == 64
