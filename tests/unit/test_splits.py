"""Split files: the committed ones follow their rules, people are on one side only, anything else is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from semo import media
from semo.clips import ClipSet
from semo.corpora import grid, mead, recipe
from semo.datasets import DATASETS_FILE, PROJECT, Dataset, Window, candidates, read_dataset
from semo.errors import DatasetError
from semo.prepare import Preparation
from semo.splits import SplitRow, main, read_split, write_split
from tests.unit import media_samples as samples

NAMED = [name for name, entry in yaml.safe_load(DATASETS_FILE.read_text())["datasets"].items() if "splits" in entry]


def row(clip: str | None, identity: str, split: str, file: str, **more) -> SplitRow:
    return SplitRow(clip, identity, split, file, **more)


@pytest.mark.parametrize("name", NAMED)
def test_committed_splits_have_their_hash_and_enough_people(name):
    dataset = read_dataset(name)
    rows = read_split(PROJECT / dataset.splits["file"], dataset.splits["sha256"])
    people = {split: {r.identity for r in rows if r.split == split} for split in ("train", "seen", "test")}
    assert len(people["test"]) >= 10 and not people["test"] & (people["train"] | people["seen"])
    assert len(people["train"]) > len(people["test"]) and people["seen"] <= people["train"]
    assert {r.fps for r in rows} == {25.0}


@pytest.mark.parametrize("name", ["mead", "grid"])
def test_committed_splits_follow_their_rule(name, tmp_path):
    write_split(tmp_path / "again.tsv", recipe(name).split_rows())
    assert (tmp_path / "again.tsv").read_bytes() == (PROJECT / f"data/splits/{name}.tsv").read_bytes()


def sides(rows: list[SplitRow], names: list[str]) -> dict[str, str | None]:
    """Split of each file: that of the first row that matches it."""
    return {name: next((r.split for r in rows if re.fullmatch(r.file, name)), None) for name in names}


def test_mead_holds_out_the_published_sentences():
    assert len(mead.ACTORS) == len(set(mead.ACTORS)) == 48 and sum(map(len, mead.TESTED.values())) == 12
    for actor, held, other in (("M003", "test", None), ("M005", "seen", "train")):
        neutral = sides(mead.split_rows(), [f"{actor}/video/front/neutral/level_1/{i:03d}.mp4" for i in range(1, 41)])
        angry = sides(mead.split_rows(), [f"{actor}/video/front/angry/level_3/{i:03d}.mp4" for i in range(1, 31)])
        assert list(neutral.values()) == [other] * 30 + [held] * 10
        assert list(angry.values()) == [other] * 24 + [held] * 6
        assert sides(mead.split_rows(), [f"{actor}/video/top/angry/level_3/030.mp4"]).popitem()[1] is None


def test_grid_tests_one_sentence_for_each_letter():
    letters = "abcdefghijklmnopqrstuvxyz"
    sentences = [f"b{colour}i{letter}{digit}n" for colour in "bgrw" for letter in letters for digit in "z123456789"]
    assert len(sentences) == 1000
    tested = [name for name, side in sides(grid.split_rows(), [f"s20/{s}.mpg" for s in sentences]).items() if side]
    assert len(tested) == 25 and {Path(name).stem[3] for name in tested} == set(letters)
    assert set(sides(grid.split_rows(), [f"s3/{s}.mpg" for s in sentences]).values()) == {"train"}
    assert {LIPNET: "test" for LIPNET in ("s1", "s2", "s20", "s22")} == {
        r.identity: r.split for r in grid.split_rows() if r.list == "LipNet"}


def test_a_table_comes_back_as_it_was_written(tmp_path):
    rows = [row("a-0", "a", "test", "a.mkv", start=0.04, frames=5, x=1, y=2, size=3, lines=720, list="X,Y",
                sha256="0" * 64),
            row(None, "b", "train", r"b/\d+\.mp4")]
    digest = write_split(tmp_path / "s.tsv", rows)
    assert read_split(tmp_path / "s.tsv", digest) == rows
    with pytest.raises(DatasetError, match="its sha256 is .*restore it with git, or name the new"):
        read_split(tmp_path / "s.tsv", "f" * 64)


def test_wrong_tables_are_refused(tmp_path):
    good = row("a-0", "a", "test", "a.mkv")
    path = tmp_path / "s.tsv"
    for rows, words in [([good, row("a-1", "a", "train", "b.mkv")], "a is both tested and trained on"),
                        ([good, row("a-2", "a", "seen", "b.mkv")], "both tested"),
                        ([good, good], "two clips are called a-0"),
                        ([replace(good, split="val")], "line 2 has the split 'val'"),
                        ([replace(good, fps=30.0)], "30 fps"),
                        ([row(None, "a", "test", "([")], "no regular expression"),
                        ([replace(good, identity="")], "line 2, column identity")]:
        write_split(path, rows)
        with pytest.raises(DatasetError, match=words):
            read_split(path)
    write_split(path, [replace(good, frames=10)])
    path.write_text(path.read_text().replace("\t10\t", "\tten\t"))
    with pytest.raises(DatasetError, match="column frames: 'ten' is no int"):
        read_split(path)
    path.write_text("clip\tidentity\n")
    with pytest.raises(DatasetError, match="its columns are clip, identity"):
        read_split(path)
    with pytest.raises(DatasetError, match="cannot be read.*git"):
        read_split(tmp_path / "none.tsv")


@pytest.fixture
def videos(tmp_path) -> Path:
    folder = tmp_path / "videos"
    for name in ("a.webm", "b/1.mkv", "b/2.mkv", "c.mkv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        media.write_lossless(folder / name.replace("webm", "mkv"), samples.numbered_frames(50, 64))
    (folder / "a.mkv").rename(folder / "a.webm")
    return folder


def dataset(videos: Path, rows: list[SplitRow]) -> Dataset:
    table = videos.parent / "s.tsv"
    digest = write_split(table, rows)
    return Dataset("own", "folder", str(videos), "own", detector="none", min_frames=2,
                   splits={"file": str(table), "sha256": digest})


def test_rows_become_clips_with_their_windows(videos, tmp_path):
    rows = [row("own-a-0", "a", "test", "a.mkv", start=0.4, frames=5, x=8, y=4, size=16, lines=32),
            row("own-a-1", "a", "test", "a.mkv", start=0.0, frames=3),
            row("own-a-2", "a", "test", "a.mkv", start=1.8, frames=9),
            row(None, "b", "seen", r"b/1\.mkv"), row(None, "b", "train", r"b/\d\.mkv"),
            row("own-d", "d", "train", "d.mkv"), row("own-e", "d", "train", "d.mkv")]
    own = dataset(videos, rows)
    clips, _, refused = Preparation(own, 16, tmp_path / "out").run()
    assert {clip.clip: clip.split for clip in clips} == {
        "own-a-0": "test", "own-a-1": "test", "own-b-1": "seen", "own-b-2": "train"}  # c.mkv is in no row
    first = clips[0]
    assert (first.path, first.x, first.y, first.size, first.frames) == ("a.webm", 16, 8, 32, 5)
    assert samples.frame_numbers(ClipSet(tmp_path / "out").frames(first)) == list(range(10, 15))
    assert {r.path: r.reason for r in refused} == {
        "d.mkv": "not there, 2 clips lost",
        "a.webm from 1.8 s": "too short: 5 frames at 25 fps from 1.8 s on, 9 are needed"}
    with pytest.raises(DatasetError, match="holds none of the files that s.tsv names, such as x.mkv"):
        candidates(dataset(videos, [row("x", "x", "test", "x.mkv")]))


def test_windows_scale_with_the_picture():
    assert Window(10, 20, 30, 720).at(1080) == (15, 30, 45) and Window(10, 20, 30).at(99) == (10, 20, 30)


def test_a_prepared_data_set_can_be_frozen_and_made_again(videos, tmp_path, capsys):
    own = Dataset("own", "folder", str(videos), "own", detector="none", min_frames=2)
    clips = Preparation(own, 16, tmp_path / "out").run()[0]
    main(["freeze", str(tmp_path / "out"), "--out", str(tmp_path / "frozen.tsv")])
    digest = capsys.readouterr().out.split()[-1]
    again = replace(own, splits={"file": str(tmp_path / "frozen.tsv"), "sha256": digest})
    assert Preparation(again, 16, tmp_path / "out2").run()[0] == clips
    media.write_lossless(videos / "c.mkv", samples.numbered_frames(49, 64))
    refused = Preparation(again, 16, tmp_path / "out2").run()[2]
    assert [r.path for r in refused] == ["c.mkv"] and "is not the file that the split was made of" in refused[0].reason
    with pytest.raises(SystemExit):
        main(["make", "nothing", "--out", str(tmp_path / "x.tsv")])
    assert "there is no recipe 'nothing'" in capsys.readouterr().err
