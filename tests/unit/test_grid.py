"""GRID: archives from a local stand-in of Zenodo, checked, unpacked whole, resumable."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from semo.corpora import Options, grid
from semo.datasets import Dataset
from semo.errors import DatasetError, WriteError
from tests.unit.web_videos import Site, serve


def archive(person: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr(f"{person}/bbaf2n.mpg", person.encode() * 50)
        content.writestr(f"video/{person}/../lwbsza.mpg", b"video")  # no path of an archive leads out of the folder
        content.writestr(f"{person}/readme.txt", b"text")
    return buffer.getvalue()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(grid, "PEOPLE", ["s1", "s2"])
    with serve(Site({f"{person}.zip": archive(person) for person in ("s1", "s2")})) as running:
        state(running)
        yield running


def state(site: Site) -> None:
    """The record that tells what the archives are."""
    files = [{"key": name, "size": len(content), "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
              "links": {"self": f"{site.address}/{name}"}} for name, content in site.videos.items() if name != "record"]
    site.videos["record"] = json.dumps({"files": files}).encode()


def obtain(site: Site, folder: Path) -> dict:
    own = Dataset("grid", "fetched", str(folder), "grid", page="https://page")
    return grid.obtain(own, folder.parent / "raw", Options(), f"{site.address}/record")


def test_people_are_fetched_checked_and_unpacked_once(site, tmp_path):
    assert obtain(site, tmp_path / "grid") == {"videos": 4, "people": 2}
    assert (tmp_path / "grid/s1/bbaf2n.mpg").read_bytes() == b"s1" * 50
    assert sorted(path.name for path in tmp_path.rglob("*.mpg")) == 2 * ["bbaf2n.mpg"] + 2 * ["lwbsza.mpg"]
    assert not list((tmp_path / "grid/.partial").iterdir())
    before = len(site.asked)
    shutil.rmtree(tmp_path / "grid/s2")
    obtain(site, tmp_path / "grid")
    obtain(site, tmp_path / "grid")
    assert [name for name, _ in site.asked[before:]] == ["record", "s2.zip"]


def test_a_broken_line_goes_on_and_a_wrong_file_is_not_kept(site, tmp_path):
    site.limit["s2.zip"] = 100
    with pytest.raises(DatasetError, match="s2.zip: the download .* broke off at 100 of"):
        obtain(site, tmp_path / "grid")
    site.limit.clear()
    obtain(site, tmp_path / "grid")
    assert site.asked[-1] == ("s2.zip", "bytes=100-")
    shutil.rmtree(tmp_path / "grid/s1")
    site.videos["s1.zip"] = site.videos["s1.zip"][::-1]
    with pytest.raises(DatasetError, match="s1.zip: its md5 is not the one its record states"):
        obtain(site, tmp_path / "grid")
    assert not (tmp_path / "grid/s1").exists() and not (tmp_path / "grid/.partial/s1.zip").exists()
    state(site)
    with pytest.raises(DatasetError, match="s1.zip: is damaged"):
        obtain(site, tmp_path / "grid")


def test_a_full_disk_and_a_silent_archive_are_one_sentence(site, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(grid.shutil, "copyfileobj", full)
        with pytest.raises(WriteError, match=r"s1: cannot be written \(the disk is full\); nothing is lost"):
            obtain(site, tmp_path / "grid")
    assert not list((tmp_path / "grid").glob("s*")) and (tmp_path / "grid/.partial/s1.zip").is_file()
    obtain(site, tmp_path / "grid")
    assert [name for name, _ in site.asked].count("s1.zip") == 1
    site.gone.add("record")
    with pytest.raises(DatasetError, match=r"record .* cannot be read .*connect this machine, or unpack s1.zip"):
        obtain(site, tmp_path / "other")
