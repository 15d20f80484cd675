"""HDTF: its lists with all their flaws, and the whole way from a list to prepared clips, from a local server."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from semo.clips import ClipSet
from semo.corpora import Options, hdtf
from semo.corpora.hdtf_lists import Interval, obtain_lists, read_lists
from semo.corpora.lock import exclusive
from semo.datasets import PROJECT, Dataset, read_dataset
from semo.errors import DatasetError
from semo.prepare import Preparation
from semo.splits import write_split
from tests.unit.test_speech import babble, noise
from tests.unit.web_videos import Plain, Site, coordinates_video, serve, write_lists

needs_lists = pytest.mark.skipif("SEMO_DATASETS" not in os.environ, reason="SEMO_DATASETS is not set: no hdtf/")


def lists(site: Site) -> dict[str, dict[str, str]]:
    """Two people in WDA, one of RD, each flaw of the real lists once."""
    pages = [f"AnnLee0 {site.page('ann')}", f"BobRay-Fox {site.page('bob')}", f"Twice {site.page('bob')}",
             f"Twice {site.page('bob')}", "NoPage ftp://x", f"NoTimes {site.page('bob')}", "Alone"]
    return {"WDA": {
        "video_url": "\ufeff" + "\n".join(pages),  # and no end of line
        "annotion_time": "AnnLee0.mp4 00:00-00:13 00:14-00:26 \r\nBobRay-Fox.mp4 00:00:01-00:00:04 1:00 00:04-00:02\n\n"
                         "NoPage.mp4 00:01-00:02\nOther.mp4 00:01-00:02\nTwice.mp4 00:01-00:02",
        "crop_wh": "AnnLee0_0.mp4 10 20 5 20\nBobRay-Fox_0.mp4 700 90 0 90\nTwice_0.mp4 0 9 0 8",
        "resolution": "AnnLee0.mp4 45\nBobRay-Fox.mp4 90\nTwice.mp4 0"},
        "RD": {"video_url": f"Radio1 {site.page('gone')}\n", "annotion_time": "Radio1.mp4 00:00-00:10\n",
               "crop_wh": "Radio1_0.mp4 0 50 0 50\n", "resolution": "Radio1.mp4 90\n"}}


def test_flaws_of_the_lists_are_read_over_and_named(tmp_path):
    write_lists(tmp_path, lists(Site({})))
    videos, problems = read_lists(tmp_path)
    assert [video.stem for video in videos] == ["RD_Radio1", "WDA_AnnLee0", "WDA_BobRay-Fox", "WDA_Twice"]
    ann, bob, twice = videos[1:]
    assert ann.intervals == (Interval(0, 0.0, 13.0, (10, 5, 20)), Interval(1, 14.0, 26.0, None)) and ann.lines == 45
    assert bob.intervals == (Interval(0, 1.0, 4.0, None),)
    assert twice.lines is None and twice.intervals == (Interval(0, 1.0, 2.0, None),)
    told = {problem.where: problem.what for problem in problems}
    for where, what in {"WDA_AnnLee0_1": "no crop window", "WDA_BobRay-Fox_0": "'700 90 0 90' is no square inside 90",
                        "WDA_BobRay-Fox_1": "'1:00' is no stretch", "WDA_BobRay-Fox_2": "'00:04-00:02' is no stretch",
                        "WDA_Twice": "picture size is 0", "WDA_video_url.txt, line 4": "'Twice' is there twice",
                        "WDA_NoPage": "is no address", "WDA_NoTimes": "no times", "WDA_Other": "times but no page",
                        "WDA_video_url.txt, line 7": "'Alone' has one cell only"}.items():
        assert what in told.pop(where)
    assert not told
    (tmp_path / "RD_crop_wh.txt").unlink()
    with pytest.raises(DatasetError, match="RD_crop_wh.txt: the list cannot be read .*remove the folder"):
        read_lists(tmp_path)


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A registry of the small lists, whose repository is out of reach."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SEMO_DATASETS", raising=False)
    write_lists(tmp_path / "mirror/hdtf", lists(Site({})))
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "mirror/hdtf").iterdir()}
    registry = tmp_path / "lists.yaml"
    registry.write_text(yaml.safe_dump({"url": "http://127.0.0.1:9", "files": files}))
    return registry


def test_lists_come_from_a_mirror_or_their_repository_and_are_checked(registry, tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=r"http://127.0.0.1:9/.*; connect this machine, or place HDTF's lists in"):
        obtain_lists(tmp_path / "lists", registry)
    files = {path.name: path.read_bytes() for path in (tmp_path / "mirror/hdtf").iterdir()}
    with serve(Site(files)) as site:
        served = tmp_path / "served.yaml"
        served.write_text(yaml.safe_dump(yaml.safe_load(registry.read_text()) | {"url": site.address}))
        assert len(list(obtain_lists(tmp_path / "lists", served).iterdir())) == 12
    monkeypatch.setenv("SEMO_DATASETS", str(tmp_path / "mirror"))
    obtain_lists(tmp_path / "other", registry)
    (tmp_path / "other/RD_crop_wh.txt").write_text("edited")
    with pytest.raises(DatasetError, match="RD_crop_wh.txt: is not the published list; remove it"):
        obtain_lists(tmp_path / "other", registry)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, bytes]:
    """Ann: 26 s with a quiet voice, then noise; at twice the size that the lists state. Bob: 5 s, silent."""
    folder = tmp_path_factory.mktemp("sources")
    voice = babble(26.0)
    voice[14 * 16000:] += noise(voice, 0.2)[14 * 16000:]
    return {"ann": coordinates_video(folder / "ann.mkv", 26, 90, voice),
            "bob": coordinates_video(folder / "bob.mkv", 5, 90)}


@pytest.fixture
def site(sources, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Site(dict(sources))) as running:
        yield running


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_from_the_lists_to_prepared_clips(site, tmp_path, monkeypatch):
    monkeypatch.setattr(hdtf, "obtain_lists", lambda folder: folder)
    published = tmp_path / "published.tsv"
    published.write_text("list\tstretch\nOTAvatar\tWDA_AnnLee0_0\nDiffTalk\tRD_Radio1_0\n")
    store, record = tmp_path / "videos", tmp_path / "raw"
    write_lists(store / "lists", lists(site))
    own = Dataset("hdtf", "fetched", str(store), "hdtf", detector="none", recipe="hdtf", licence="lists CC BY")
    got = hdtf.obtain(own, record, Options(), Plain())
    assert got == {"videos": 3, "unavailable": 1, "problems": 10, "bytes": got["bytes"]} and got["bytes"] > 10_000
    assert [row["name"] for row in rows_of(record / "obtained.tsv")] == ["WDA_AnnLee0", "WDA_BobRay-Fox", "WDA_Twice"]
    gone, = rows_of(record / "unavailable.tsv")
    assert gone["name"] == "RD_Radio1" and gone["reason"] == "HTTP Error 404" and len(gone["date"]) == 10

    monkeypatch.setattr(hdtf, "published_lists", lambda read=hdtf.published_lists: read(published))
    rows = hdtf.split_rows(store / "lists")
    assert [(r.clip, r.split, r.frames, r.list) for r in rows] == [
        ("hdtf-rd-radio1-0-00", "train", 250, "DiffTalk"),
        ("hdtf-wda-annlee0-0-00", "test", 250, "OTAvatar"),  # the rest of 75 frames is no whole clip
        ("hdtf-wda-annlee0-1-00", "test", 250, "ours"), ("hdtf-wda-bobray-fox-0-00", "train", 75, "ours")]
    digest = write_split(tmp_path / "hdtf.tsv", rows)
    own = replace(own, splits={"file": str(tmp_path / "hdtf.tsv"), "sha256": digest}, sound=read_dataset("hdtf").sound)
    clips, _, refused = Preparation(own, 32, tmp_path / "out").run()
    assert [(clip.clip, clip.has_audio) for clip in clips] == [
        ("hdtf-wda-annlee0-0-00", True), ("hdtf-wda-annlee0-1-00", False), ("hdtf-wda-bobray-fox-0-00", False)]
    ann, _, bob = clips
    assert (ann.x, ann.y, ann.size) == (20, 10, 40)  # the published window, at twice its size
    shown = ClipSet(tmp_path / "out").frames(ann)
    assert shown.shape == (250, 32, 32, 3) and [int(shown[i, 16, 16, 2]) for i in (0, 100, 249)] == [0, 100, 249]
    assert np.allclose(shown[0, 16, 16, :2], (255 * 40.1 / 160, 255 * 30.1 / 90), atol=2)
    assert bob.start == 1.0 and ClipSet(tmp_path / "out").frames(bob)[0, 0, 0, 2] == 25
    assert {r.path: r.reason for r in refused}["RD_Radio1.mkv"] == "not there, 1 clips lost"
    noisy = next(r for r in refused if r.path == "WDA_AnnLee0.mkv from 14 s")
    assert noisy.reason.endswith("kept without sound") and len(refused) == 2
    about = json.loads((tmp_path / "out/dataset.json").read_text())
    assert about["reasons"]["not there, n clips lost"] == 1 and about["splits"]["sha256"] == digest
    again = Preparation(own, 32, tmp_path / "out").run()
    assert again[0] == clips and again[2] == refused  # objections are remembered with their clips
    with exclusive(tmp_path / "out"), pytest.raises(DatasetError, match="is at work there"):
        Preparation(own, 32, tmp_path / "out").run()
    with exclusive(store), pytest.raises(DatasetError, match="is at work there"):
        hdtf.obtain(own, record, Options(), Plain())


def test_a_window_without_a_face_is_refused(tmp_path):
    from tests.unit.media_samples import astronaut_video

    astronaut_video(tmp_path / "a.mp4", shift=0)
    rows = [hdtf.SplitRow("own-face", "a", "test", "a.mp4", 0.0, 12, x=20, y=10, size=200),
            hdtf.SplitRow("own-hand", "a", "test", "a.mp4", 0.0, 12, x=0, y=230, size=70)]
    digest = write_split(tmp_path / "s.tsv", rows)
    own = Dataset("own", "folder", str(tmp_path), "own", detector="cascade", min_frames=2,
                  splits={"file": str(tmp_path / "s.tsv"), "sha256": digest})
    clips, _, refused = Preparation(own, 32, tmp_path / "out").run()
    assert [(clip.clip, clip.x, clip.y, clip.size) for clip in clips] == [("own-face", 20, 10, 200)]
    assert [r.reason for r in refused] == ["no face found in 12 sampled frames"]


def test_the_command_fetches_with_yt_dlp_and_says_what_is_gone(site, tmp_path, monkeypatch, capsys):
    from tests.unit.web_videos import fake_yt_dlp

    spec = importlib.util.spec_from_file_location("fetch", PROJECT / "data/fetch.py")
    fetch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fetch)
    fake_yt_dlp(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(hdtf, "obtain_lists", lambda folder: folder)
    write_lists(tmp_path / "videos/lists", lists(site))
    digest = write_split(tmp_path / "s.tsv", hdtf.split_rows(tmp_path / "videos/lists"))
    entry = {"source": "fetched", "recipe": "hdtf", "path": str(tmp_path / "videos"), "page": "https://page",
             "splits": {"file": str(tmp_path / "s.tsv"), "sha256": digest}, "licence": "x", "enabled": False}
    table = tmp_path / "d.yaml"
    command = ["hdtf", "--datasets", str(table), "--out", str(tmp_path / "raw")]
    table.write_text(yaml.safe_dump({"datasets": {"hdtf": entry}}))
    with pytest.raises(SystemExit):
        fetch.main(command)
    assert "not enabled: it would be fetched from https://page into" in capsys.readouterr().err
    fetch.main([*command, "--if-enabled"])
    assert not (tmp_path / "calls").exists() and (tmp_path / "raw/hdtf/absent.json").is_file()
    table.write_text(yaml.safe_dump({"datasets": {"hdtf": entry | {"enabled": True}}}))
    site.limit["ann"] = 1000
    with pytest.raises(SystemExit):
        fetch.main(command)
    assert "1 of 4 videos could not be downloaded this time (WDA_AnnLee0" in capsys.readouterr().err
    site.limit.clear()
    fetch.main(command)
    assert "1 videos unavailable" in capsys.readouterr().out
    kept = json.loads((tmp_path / "raw/hdtf/fetched.json").read_text())
    assert kept["videos"] == 3 and kept["splits"]["sha256"] == digest
    assert not (tmp_path / "raw/hdtf/absent.json").exists()


@needs_lists
def test_the_committed_split_follows_from_the_published_lists(tmp_path):
    folder = obtain_lists(tmp_path / "lists")
    videos, problems = read_lists(folder)
    assert len(videos) == 369 and sum(len(video.intervals) for video in videos) == 436  # Radio24 has no times
    seconds = sum(part.end - part.start for video in videos for part in video.intervals)
    assert seconds / 3600 == pytest.approx(17.07, abs=0.01)
    assert sum("no crop window" in problem.what for problem in problems) == 15 and len(problems) == 20
    write_split(tmp_path / "again.tsv", hdtf.split_rows(folder))
    assert (tmp_path / "again.tsv").read_bytes() == (PROJECT / "data/splits/hdtf.tsv").read_bytes()
