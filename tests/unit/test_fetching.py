"""Fetching many videos: from a local server, through fakes of yt-dlp and the real one where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semo.corpora import Options
from semo.corpora.downloader import Failed, Gone, YtDlp, find_yt_dlp, yt_dlp_when_needed
from semo.corpora.fetching import IN_A_ROW, Fetch, Unavailable, Wanted
from semo.corpora.lock import exclusive
from semo.datasets import PROJECT
from semo.errors import DatasetError, WriteError
from tests.unit.web_videos import Plain, Site, coordinates_video, fake_yt_dlp, serve

NAMES = [f"v{i}" for i in range(7)]


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> bytes:
    return coordinates_video(tmp_path_factory.mktemp("video") / "a.mkv", 1.0, 90)


@pytest.fixture
def site(video, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Site({name: video for name in [*NAMES, "slow"]})) as running:
        yield running


def wanted(site: Site, *names: str) -> list[Wanted]:
    return [Wanted(name, site.page(name), 90) for name in names]


def test_every_video_is_complete_and_recorded(site, video, tmp_path):
    have, gone = Fetch(tmp_path, Plain()).run(wanted(site, "v0", "v1"), "own")
    assert [row.file for row in have] == ["v0.mkv", "v1.mkv"] and not gone
    assert (tmp_path / "v0.mkv").read_bytes() == video
    row = have[0]
    assert (row.width, row.height, row.fps, row.seconds, row.sound, row.bytes) == (160, 90, 25.0, 1.0, "no", len(video))
    assert not list((tmp_path / ".partial").iterdir())
    again = Plain()
    assert Fetch(tmp_path, again).run(wanted(site, "v0", "v1"), "own") == (have, []) and again.called == []


def test_a_gone_video_is_recorded_and_asked_for_only_on_wish(site, tmp_path):
    site.gone.add("v1")
    have, gone = Fetch(tmp_path, Plain(), today="2026-02-03").run(wanted(site, *NAMES[:3]), "own")
    assert [row.name for row in have] == ["v0", "v2"]
    assert gone == [Unavailable("v1", site.page("v1"), "2026-02-03", "HTTP Error 404")]
    site.gone.clear()
    assert Fetch(tmp_path, Plain(), today="2026-05-05").run(wanted(site, *NAMES[:3]), "own")[1] == gone
    have, gone = Fetch(tmp_path, Plain(), Options(retry=True)).run(wanted(site, *NAMES[:3]), "own")
    assert len(have) == 3 and not gone


def test_a_broken_line_fails_at_the_end_and_goes_on_next_time(site, video, tmp_path):
    site.limit["v0"] = 1000
    with pytest.raises(DatasetError, match=r"own: 1 of 3 videos could not .* \(v0: 1000 of .*run again to go on"):
        Fetch(tmp_path, Plain()).run(wanted(site, *NAMES[:3]), "own")
    assert sorted(path.name for path in tmp_path.glob("*.mkv")) == ["v1.mkv", "v2.mkv"]
    site.limit.clear()
    Fetch(tmp_path, Plain()).run(wanted(site, *NAMES[:3]), "own")
    assert site.asked[-1] == ("v0", "bytes=1000-") and (tmp_path / "v0.mkv").read_bytes() == video


def test_what_fails_may_be_done_without(site, tmp_path):
    site.limit["v0"] = 1000
    have, gone = Fetch(tmp_path, Plain(), Options(accept_missing=True)).run(wanted(site, "v0", "v1"), "own")
    assert len(have) == 1 and gone[0].reason.startswith("not downloaded: 1000 of ")


def test_a_dead_connection_is_noticed_soon(tmp_path):
    class Dead(Plain):
        def __call__(self, url, folder, name, lines):
            self.called.append(name)
            raise Failed("network is unreachable")

    dead = Dead()
    with pytest.raises(DatasetError, match="in a row could not .*unreachable.*0 of 7 are here.*connection"):
        Fetch(tmp_path, dead).run([Wanted(name, "u", 90) for name in NAMES], "own")
    assert len(dead.called) == IN_A_ROW
    have, gone = Fetch(tmp_path, dead, Options(accept_missing=True)).run([Wanted(n, "u", 90) for n in NAMES], "own")
    assert len(dead.called) == 2 * IN_A_ROW and len(gone) == len(NAMES) and not have


def test_a_damaged_download_is_not_kept(site, video, tmp_path):
    site.videos = {"v0": video[:len(video) // 2], "v1": video}
    with pytest.raises(DatasetError, match="v0: the download is damaged"):
        Fetch(tmp_path, Plain()).run(wanted(site, "v0", "v1"), "own")
    assert [path.name for path in tmp_path.glob("*.*") if path.is_file()] == ["v1.mkv"]
    site.videos["v0"] = video
    assert len(Fetch(tmp_path, Plain()).run(wanted(site, "v0", "v1"), "own")[0]) == 2


def test_placed_and_changed_files_are_looked_at_again(site, video, tmp_path):
    (tmp_path / "v0.webm").write_bytes(video)
    called = Plain()
    have, _ = Fetch(tmp_path, called).run(wanted(site, "v0", "v1"), "own")
    assert have[0].file == "v0.webm" and called.called == ["v1"]
    (tmp_path / "v1.mkv").write_bytes(video[:len(video) // 2])
    with pytest.raises(DatasetError, match=r"v1.mkv.*remove the file, then run again"):
        Fetch(tmp_path, called).run(wanted(site, "v0", "v1"), "own")


def test_a_full_disk_stops_at_once_and_loses_nothing(site, tmp_path):
    class Full(Plain):
        def __call__(self, url, folder, name, lines):
            if name == "v1" and not self.called[1:]:
                (folder / "v1.mkv.part").write_bytes(site.videos["v1"][:500])
                self.called.append(name)
                raise WriteError(f"{folder}: the disk is full")
            return super().__call__(url, folder, name, lines)

    full = Full()
    with pytest.raises(WriteError, match="disk is full"):
        Fetch(tmp_path, full).run(wanted(site, *NAMES[:3]), "own")
    assert full.called == ["v0", "v1"] and (tmp_path / "v0.mkv").is_file()
    have, _ = Fetch(tmp_path, full).run(wanted(site, *NAMES[:3]), "own")
    assert len(have) == 3 and ("v1", "bytes=500-") in site.asked


def test_one_run_at_a_time(tmp_path):
    with exclusive(tmp_path / "store"):
        with pytest.raises(DatasetError, match=rf"store: process {os.getpid()} on .* is at work there; wait"):
            with exclusive(tmp_path / "store"):
                raise AssertionError
    with exclusive(tmp_path / "store"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        with exclusive(tmp_path / "file"):
            raise AssertionError


@pytest.fixture
def yt_dlp(tmp_path, monkeypatch) -> Path:
    """A fake yt-dlp on the PATH; returns the file in which its calls are written."""
    programs = tmp_path / "programs"
    programs.mkdir()
    fake_yt_dlp(programs)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_yt_dlp_is_asked_for_the_size_of_the_lists(site, video, yt_dlp, tmp_path):
    site.gone.add("v1")
    have, gone = Fetch(tmp_path / "store", find_yt_dlp()).run(wanted(site, "v0", "v1"), "own")
    assert (tmp_path / "store/v0.mkv").read_bytes() == video and len(have) == 1
    assert gone[0].reason == "Video unavailable. HTTP Error 404"
    call = yt_dlp.read_text().splitlines()[0]
    assert "--format-sort res:90" in call and "--no-playlist" in call and call.endswith(f"-- {site.page('v0')}")


def test_words_of_yt_dlp_are_understood(tmp_path):
    def says(text: str, code: int = 1) -> YtDlp:
        return YtDlp((sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"))

    for text, kind, words in [
            ("ERROR: [youtube] abcdefghijk: Private video. Sign in", Gone, "^Private video. Sign in$"),
            ("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader", Gone, "removed"),
            ("ERROR: The uploader has not made this video available in your country", Gone, "country"),
            ("ERROR: Sign in to confirm you're not a bot", Failed, "not a bot"),
            ("ERROR: Video unavailable. This content isn't available, try again later.", Failed, "later"),
            ("ERROR: unable to download: HTTP Error 503", Failed, "503"), ("", Failed, "says nothing"),
            ("ERROR: unable to write data: [Errno 28] No space left on device", WriteError, "disk is full")]:
        with pytest.raises(kind, match=words):
            says(text)("u", tmp_path, "v0", 90)
    with pytest.raises(Failed):
        says("done", 0)("u", tmp_path, "v0", 90)  # but nothing was made


def test_a_missing_program_is_one_sentence(video, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match="yt-dlp, .* is not installed: run `pip install -U yt-dlp`"):
        find_yt_dlp(lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "v0.mkv").write_bytes(video)
    assert Fetch(tmp_path, yt_dlp_when_needed).run([Wanted("v0", "u", 90)], "own")[0]  # all is here: not needed
    both = [Wanted("v0", "u", 90), Wanted("v1", "u", 90)]
    with pytest.raises(DatasetError, match="yt-dlp, .* is not installed"):
        Fetch(tmp_path, yt_dlp_when_needed).run(both, "own")
    assert len(Fetch(tmp_path, yt_dlp_when_needed, Options(accept_missing=True)).run(both, "own")[1]) == 1
    with pytest.raises(DatasetError, match="ffmpeg, .* is not installed"):
        find_yt_dlp(lambda name: "/bin/yt-dlp" if name == "yt-dlp" else None)


CHILD = """
import sys
from pathlib import Path
from semo.corpora.downloader import find_yt_dlp
from semo.corpora.fetching import Fetch, Wanted
from semo.corpora.lock import exclusive
folder, *pages = sys.argv[1:]
with exclusive(Path(folder)):
    Fetch(Path(folder), find_yt_dlp()).run([Wanted(page.split("=")[1], page, 90) for page in pages], "own")
"""


def test_a_killed_run_goes_on_and_its_orphan_keeps_others_out(site, video, yt_dlp, tmp_path):
    store = tmp_path / "store"
    names = ("v0", "slow", "v1")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(store), *map(site.page, names)], cwd=PROJECT,
                             env=os.environ | {"PYTHONPATH": str(PROJECT)}, start_new_session=True)
    try:
        for _ in range(600):
            if Path(f"{yt_dlp}.started").exists():
                break
            assert child.poll() is None
            time.sleep(0.1)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with pytest.raises(DatasetError, match="is at work there"):  # its yt-dlp still writes
            with exclusive(store):
                raise AssertionError
    finally:
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(100):  # until the kernel has buried the orphan
        try:
            with exclusive(store):
                have, _ = Fetch(store, find_yt_dlp()).run(wanted(site, *names), "own")
            break
        except DatasetError:
            time.sleep(0.05)
    assert [row.name for row in have] == list(names) and (store / "slow.mkv").read_bytes() == video
    asked = [name for name, _ in site.asked]
    assert asked.count("v0") == 1 and ("slow", None) in site.asked
    assert site.asked[-2][0] == "slow" and site.asked[-2][1].startswith("bytes=")
    assert json.loads((store / ".state/v0.json").read_text())["obtained"]["file"] == "v0.mkv"


@pytest.mark.skipif(importlib.util.find_spec("yt_dlp") is None, reason="yt-dlp is not installed")
def test_the_real_yt_dlp_fetches_from_a_local_server(site, video, tmp_path):
    downloader = YtDlp((sys.executable, "-m", "yt_dlp"))
    site.videos["v0.mkv"] = video
    site.gone.add("v1.mkv")
    pages = [Wanted(name, f"{site.address}/a={name}.mkv", 90) for name in ("v0", "v1")]
    have, gone = Fetch(tmp_path, downloader).run(pages, "own")
    assert (tmp_path / "v0.mkv").read_bytes() == video and len(have) == 1 and "404" in gone[0].reason
