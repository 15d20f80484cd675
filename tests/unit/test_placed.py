"""MEAD and DH-FaceVid-1K: what the user placed is looked over, and every wrong layout has its sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from semo.corpora import Options, dh_facevid, mead
from semo.datasets import Dataset, candidates, read_dataset
from semo.errors import DatasetError


def place(folder: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def restricted(name: str, folder: Path) -> Dataset:
    return replace(read_dataset(name), path=str(folder), enabled=True)


ACTORS = ("M003/video/front/angry/level_3/025.mp4", "M003/video/front/angry/level_3/024.mp4",
          "M005/video/front/neutral/level_1/040.mp4", "M005/video/front/neutral/level_1/001.mp4",
          "M005/video/left_30/neutral/level_1/001.mp4", "W009/video/front/sad/level_1/030.mp4")


def test_mead_as_released_is_taken(tmp_path):
    own = restricted("mead", place(tmp_path / "mead", *ACTORS, "M005/audio/neutral/level_1/001.m4a", "extra/a.mp4"))
    record = tmp_path / "raw"
    figures = mead.obtain(own, record, Options())
    assert figures["videos"] == 6 and figures["front"] == 5 and figures["actors"] == 3 and figures["strange"] == 1
    assert len(figures["missing_actors"]) == 45 and "M003" not in figures["missing_actors"]
    assert (record / "strange.tsv").read_text() == "file\nextra/a.mp4\n"
    found, _, refused = candidates(own)
    assert {c.clip: (c.identity, c.split) for c in found} == {
        "mead-m003-video-front-angry-level-3-025": ("m003", "test"),
        "mead-m005-video-front-neutral-level-1-001": ("m005", "train"),
        "mead-m005-video-front-neutral-level-1-040": ("m005", "seen"),
        "mead-w009-video-front-sad-level-1-030": ("w009", "test")} and not refused


@pytest.mark.parametrize(("names", "words"), [
    (["M003/front/angry/level_1/001.mp4"], "the folder `video` between actor and view is missing"),
    (["video/front/angry/level_1/001.mp4"], "the folder of the actor .* is missing"),
    (["MEAD/M003/video/front/angry/level_1/001.mp4"], "the actors' folders lie too deep"),
    (["M003_front_angry_level3_001.mp4"], "have been renamed"),
    (["M003/video.tar"], "video.tar is still packed, unpack it there"),
    (["faces/a.mp4"], "faces/a.mp4 lies where the layout has no file"),
    (["M003/video/top/angry/level_1/001.mp4"], "has no front view"),
    (["notes.txt"], "holds no videos"),
])
def test_each_wrong_layout_of_mead_has_its_sentence(names, words, tmp_path):
    own = restricted("mead", place(tmp_path / "mead", *names))
    with pytest.raises(DatasetError, match=words) as caught:
        mead.obtain(own, tmp_path / "raw", Options())
    assert "\n" not in str(caught.value) and "M003/video/front/angry/level_1/001.mp4" in str(caught.value)


def test_no_folder_names_page_and_place(tmp_path):
    for name, module in (("mead", mead), ("dh-facevid-1k", dh_facevid)):
        own = restricted(name, tmp_path / name)
        with pytest.raises(DatasetError, match=f"make the folder .*/{name} and place the videos of {own.page} there"):
            module.obtain(own, tmp_path / "raw", Options())


def test_empty_and_lost_files_are_noticed(tmp_path):
    own = restricted("mead", place(tmp_path / "mead", *ACTORS))
    mead.obtain(own, tmp_path / "raw", Options())
    (tmp_path / "mead" / ACTORS[0]).write_bytes(b"longer")
    with pytest.raises(DatasetError, match="025.mp4 has 6 bytes, an earlier run saw 1 bytes; restore it, or remove"):
        mead.obtain(own, tmp_path / "raw", Options())
    (tmp_path / "mead" / ACTORS[0]).unlink()
    with pytest.raises(DatasetError, match="025.mp4 is no longer there"):
        mead.obtain(own, tmp_path / "raw", Options())
    (tmp_path / "mead" / ACTORS[0]).touch()
    with pytest.raises(DatasetError, match="1 files are empty, such as .*025.mp4; unpack or copy"):
        mead.obtain(own, tmp_path / "raw", Options())


def test_dh_facevid_knows_people_by_their_file_names(tmp_path):
    folder = place(tmp_path / "dh", "facevid/000680.mp4", "44840.mp4", "RS127710_segment_005_745_0.mp4",
                   "RS127710_segment_006_745_0.mp4", "x/V4ZyJR30wyg_29.mp4", "x/V4ZyJR30wyg_3.mp4",
                   "WA1L8vXkSKQ_0001_S370_E849_L115_T107_R515_B507.mp4", "holiday.mp4")
    own = restricted("dh-facevid-1k", folder)
    figures = dh_facevid.obtain(own, tmp_path / "raw", Options())
    assert figures == {"videos": 7, "strange": 1, "share_of_release": 0.0}
    found, _, refused = candidates(own)
    people = [c.identity for c in found]
    assert sorted(set(people)) == ["000680", "44840", "rs127710", "v4zyjr30wyg", "wa1l8vxkskq"]
    assert len(people) == 7 and [r.path for r in refused] == ["holiday.mp4"]
    own = restricted("dh-facevid-1k", place(tmp_path / "packed", "part.zip"))
    with pytest.raises(DatasetError, match="part.zip is still packed"):
        dh_facevid.obtain(own, tmp_path / "raw2", Options())
    assert not (tmp_path / "raw2").exists()


def test_figures_fit_into_the_record(tmp_path):
    own = restricted("mead", place(tmp_path / "mead", *ACTORS))
    assert json.loads(json.dumps(mead.obtain(own, tmp_path / "raw", Options())))["actors"] == 3
