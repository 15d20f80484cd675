import csv
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from semo import media
from semo.clips import Clip, ClipSet, CrossPair, Refusal, read_table, write_table
from semo.datasets import DATASETS_FILE, Dataset, candidates, draw_test_people, read_dataset
from semo.detect import Face
from semo.errors import DatasetError, MediaError, WriteError
from semo.prepare import Preparation, face_box, main
from tests.unit import media_samples as samples


def shipped(folder: Path, subset: str = "street") -> Dataset:
    return Dataset("mini-" + subset, "shipped", str(folder), subset, detector="none", licence="CC0-1.0")


def folder_of(path: Path, **options) -> Dataset:
    return Dataset("own", "folder", str(path), "own", **{"detector": "none", "min_frames": 2} | options)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    samples.write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def prepared(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("clips")
    Preparation(shipped(corpus), 32, out).run()
    return out


def test_shipped_corpus_becomes_clips(prepared):
    clips = ClipSet(prepared)
    assert clips.dataset == "mini-street" and clips.frame_size == 32 and len(clips) == 6
    assert Counter(clip.split for clip in clips.clips) == {"train": 3, "test": 2, "seen": 1}
    assert [clip.clip for clip in clips.select("test")] == ["street-p0-c0", "street-p0-c1"]
    clip = clips["street-p1-c0"]
    assert (clip.identity, clip.frames, clip.fps, clip.x, clip.y, clip.size) == ("p1", 10, 25.0, 0, 0, 48)
    assert clip.licence == "CC0-1.0" and clip.has_audio and clip.path == "street/street-p1-c0.mp4"
    frames = clips.frames(clip)
    assert frames.shape == (10, 32, 32, 3) and frames.dtype == np.uint8
    assert np.array_equal(clips.frames(clip, start=3, count=4), frames[3:7])
    assert abs(int(frames[5, 16, 16, 1]) - 100) <= 4 and frames[5, 16, 16, 0] < 12
    sound = clips.audio(clip)
    assert sound.shape == (6400,) and samples.onset(sound) == pytest.approx(0.1, abs=0.003)
    assert clips.truth(clip)["landmarks"].shape == (10, 68, 2)
    pair, = clips.cross
    assert clips.cross_frames(pair).shape == (10, 32, 32, 3) and pair.driving_clip == "street-p0-c1"
    with pytest.raises(ValueError, match="unknown split"):
        clips.select("val")
    with pytest.raises(MediaError, match="no clip 'x'"):
        clips["x"]


def test_prepared_frames_are_the_area_average_of_the_source(corpus, prepared):
    source = media.read_frames(corpus / "street/street-p2-c0.mp4")
    expected = [media.crop_resize(frame, None, 32) for frame in source]
    assert np.array_equal(ClipSet(prepared).frames("street-p2-c0"), expected)


def test_a_second_run_makes_nothing_again_and_other_settings_do(corpus, tmp_path):
    first = Preparation(shipped(corpus), 32, tmp_path).run()
    manifest = (tmp_path / "manifest.tsv").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("clips/*.mkv")}
    (tmp_path / "clips" / "street-p1-c0.mkv").unlink()
    (tmp_path / "clips" / ".street-p0-c0.mkv.123.partial").touch()  # of a killed run
    assert Preparation(shipped(corpus), 32, tmp_path).run(threads=2) == first
    changed = [p.stem for p in tmp_path.glob("clips/*.mkv") if times[p] != p.stat().st_mtime_ns]
    assert changed == ["street-p1-c0"] and (tmp_path / "manifest.tsv").read_bytes() == manifest
    assert not list(tmp_path.glob("clips/.*"))
    Preparation(shipped(corpus), 16, tmp_path).run()
    assert ClipSet(tmp_path).frames("street-p0-c0").shape == (10, 16, 16, 3)


def test_clips_that_left_the_data_set_are_removed(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    for name in ("a.mkv", "b.mkv"):
        media.write_lossless(videos / name, samples.numbered_frames(5))
    Preparation(folder_of(videos), 16, out).run()
    (videos / "b.mkv").unlink()
    Preparation(folder_of(videos), 16, out).run()
    assert [p.name for p in (out / "clips").iterdir()] == ["own-a-c0.mkv"]


def test_a_changed_shipped_file_stops_everything(corpus, tmp_path):
    copy = tmp_path / "corpus"
    samples.write_corpus(copy, people=2)
    video = copy / "street/street-p0-c0.mp4"
    video.write_bytes(video.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="differs from the shipped file"):
        Preparation(shipped(copy), 32, tmp_path / "out").run()
    assert not (tmp_path / "out" / "manifest.tsv").exists()
    video.unlink()
    with pytest.raises(DatasetError, match="missing; restore it with git"):
        Preparation(shipped(copy), 32, tmp_path / "out").run()


@pytest.fixture
def mixed_folder(tmp_path):
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    samples.astronaut_video(folder / "deep/face.mp4")
    samples.astronaut_video(folder / "silent.mp4", audio=False)
    media.write_preview(folder / "nobody.mp4", np.zeros((12, 64, 64, 3), np.uint8))
    media.write_preview(folder / "short.mp4", np.zeros((3, 64, 64, 3), np.uint8))
    (folder / "empty.mp4").touch()
    data = (folder / "deep/face.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(data[:len(data) // 2])
    samples.write_wav(folder / "sound.mkv", samples.click(1.0, 0.5), 16000)
    (folder / "notes.txt").write_text("no video")
    return folder


def test_clip_ids_are_unique(tmp_path):
    samples.write_corpus(tmp_path, people=1)
    table = tmp_path / "corpus.tsv"
    table.write_text(table.read_text().replace("street-p0-c1\t", "street-p0-c0\t"))
    with pytest.raises(DatasetError, match="2 clips are called street-p0-c0"):
        Preparation(shipped(tmp_path), 32, tmp_path / "out").run()


def test_any_folder_with_a_reason_for_each_refusal(mixed_folder, tmp_path):
    dataset = folder_of(mixed_folder, detector="cascade", min_frames=5)
    clips, _, refused = Preparation(dataset, 64, tmp_path / "out").run()
    assert [clip.path for clip in clips] == ["deep/face.mp4", "silent.mp4"]
    assert [clip.has_audio for clip in clips] == [True, False]
    reasons = {refusal.path: refusal.reason for refusal in refused}
    assert reasons == {
        "cut.mp4": reasons["cut.mp4"], "empty.mp4": "the file is empty (0 bytes)",
        "nobody.mp4": "no face found in 12 sampled frames", "sound.mkv": "has no video stream",
        "short.mp4": "too short: 3 frames at 25 fps from 0 s on, 5 are needed"}
    assert "truncated" in reasons["cut.mp4"]
    assert read_table(tmp_path / "out" / "refused.tsv", Refusal) == refused
    crop = clips[0]
    assert crop.size > 170 and 0 <= crop.x and crop.x + crop.size <= 300  # twice the face and its way, inside
    with pytest.raises(MediaError, match="no audio stream"):
        ClipSet(tmp_path / "out").audio(clips[1])


def test_sound_can_be_required(mixed_folder, tmp_path):
    dataset = folder_of(mixed_folder, require_audio=True)
    clips, _, refused = Preparation(dataset, 32, tmp_path / "out").run()
    assert [clip.path for clip in clips] == ["deep/face.mp4"]
    assert "has no audio stream, which this data set requires" in {refusal.reason for refusal in refused}


def test_long_videos_are_cut_and_variable_frame_rate_is_resampled(tmp_path):
    samples.write_stamped(tmp_path / "vfr.mkv", samples.numbered_frames(60), [0.02 * i + 0.0004 * i * i
                                                                              for i in range(60)])
    clip, = Preparation(folder_of(tmp_path, max_seconds=1.0), 16, tmp_path / "out").run()[0]
    numbers = samples.frame_numbers(ClipSet(tmp_path / "out").frames(clip))
    assert clip.frames == len(numbers) == 25
    assert numbers == sorted(numbers) and numbers[10] == pytest.approx(15.3, abs=1)


def test_clip_list_with_people_starts_and_splits(tmp_path):
    media.write_lossless(tmp_path / "a.mkv", samples.numbered_frames(50, 16), audio=samples.click(2.0, 1.0))
    samples.write_tsv(tmp_path / "list.tsv", "file identity start frames split", [
        ("a.mkv", "Ann B.", 0.8, 10, "test"), ("a.mkv", "Ann B.", 0, 5, "seen"), ("a.mkv", "ann b", 0, 5, ""),
        ("a.mkv", "Cid", 0, 5, "other"), ("gone.mkv", "Cid", 0, 5, "train"), ("a.mkv", "Cid", 1.9, 5, "train"),
        ("notes.txt", "Cid", 0, 5, "")])
    clips, _, refused = Preparation(folder_of(tmp_path, clip_list="list.tsv"), 16, tmp_path / "out").run()
    assert len({clip.clip for clip in clips}) == 3 and len({clip.identity for clip in clips}) == 2
    assert [(clip.split, clip.start, clip.frames) for clip in clips[:2]] == [("test", 0.8, 10), ("seen", 0.0, 5)]
    clip_set = ClipSet(tmp_path / "out")
    assert samples.frame_numbers(clip_set.frames(clips[0])) == list(range(20, 30))
    assert samples.onset(clip_set.audio(clips[0])) == pytest.approx(0.2, abs=0.001)
    reasons = [refusal.reason for refusal in refused]
    assert any("unknown split 'other'" in r for r in reasons) and any("too short: 3 frames" in r for r in reasons)
    assert "no such file" in reasons and len(reasons) == 3


def test_identity_patterns(tmp_path):
    for name in ("W01_a.mkv", "W01_b.mkv", "M02_a.mkv", "odd.mkv"):
        media.write_lossless(tmp_path / name, samples.numbered_frames(3, 16))
    found, _, refused = candidates(folder_of(tmp_path, identity=r"^([MW]\d+)_"))
    assert [c.clip for c in found] == ["own-m02-c0", "own-w01-c0", "own-w01-c1"]
    assert [r.path for r in refused] == ["odd.mkv"] and "pattern" in refused[0].reason


@given(people=st.sets(st.text("abcdef", min_size=1), min_size=2, max_size=40), share=st.floats(0.01, 0.99),
       seed=st.integers(0, 9))
def test_people_are_drawn_by_their_names(people, share, seed):
    drawn = draw_test_people(people, share, seed)
    assert drawn < people and drawn
    assert drawn == draw_test_people(set(sorted(people)), share, seed)
    more = draw_test_people(people | {"someone new", "another"}, share, seed)
    if 1 < len(drawn) < len(people) - 1:
        assert more & people == drawn


def test_faces_seen_too_rarely_or_too_small_are_refused():
    face = Face(100, 100, 60, 1)
    with pytest.raises(MediaError, match="only 1 of 4"):
        face_box([[face], [], [], []], 200, 200, 2.0)
    with pytest.raises(MediaError, match="only 10 px"):
        face_box([[replace(face, side=10)]], 200, 200, 2.0)
    assert face_box([[face], [face], []], 200, 200, 2.0) == (40, 47, 120)


def test_a_full_disk_stops_with_one_sentence(corpus, tmp_path, monkeypatch):
    real_open = av.open

    def full(file, mode="r", **options):
        if mode == "w":
            raise OSError(28, "No space left on device")
        return real_open(file, mode, **options)

    monkeypatch.setattr(av, "open", full)
    with pytest.raises(WriteError, match="disk is full"):
        Preparation(shipped(corpus), 32, tmp_path / "out").run()
    assert not (tmp_path / "out" / "manifest.tsv").exists() and not list((tmp_path / "out" / "clips").iterdir())


def test_manifest_tables_are_checked(prepared, tmp_path):
    rows = read_table(prepared / "manifest.tsv", Clip)
    write_table(tmp_path / "m.tsv", Clip, rows)
    assert (tmp_path / "m.tsv").read_bytes() == (prepared / "manifest.tsv").read_bytes()
    text = (prepared / "manifest.tsv").read_text()
    (tmp_path / "bad.tsv").write_text(text.replace("\t10\t25\t", "\tten\t25\t", 1))
    with pytest.raises(MediaError, match=r"line 2, column frames: 'ten'"):
        read_table(tmp_path / "bad.tsv", Clip)
    with pytest.raises(MediaError, match="columns"):
        read_table(prepared / "manifest.tsv", CrossPair)
    with pytest.raises(MediaError, match=r"holds no manifest.tsv"):
        ClipSet(tmp_path)


def write_entry(table: Path, /, **entry) -> Path:
    table.write_text(yaml.safe_dump({"datasets": {"own": entry}}))
    return table


def test_entries_are_checked(tmp_path):
    file = tmp_path / "d.yaml"
    assert read_dataset("own", write_entry(file, source="folder", path="x")).subset == "own"
    for entry, words in [({"source": "folder"}, "lacks the key 'path'"), ({"source": "web", "path": "x"}, "'web'"),
                         ({"source": "folder", "path": "x", "crop": 2}, "unknown key 'crop'"),
                         ({"source": "folder", "path": "x", "files": "(["}, "files is no regular expression")]:
        with pytest.raises(DatasetError, match=words):
            read_dataset("own", write_entry(file, **entry))
    with pytest.raises(DatasetError, match="no data set 'other'; it has own"):
        read_dataset("other", file)
    with pytest.raises(DatasetError, match="NOT_SET_ANYWHERE"):
        candidates(read_dataset("own", write_entry(file, source="folder", path="$NOT_SET_ANYWHERE/x")))
    with pytest.raises(DatasetError, match=r"does not exist; obtain it from https://page"):
        candidates(read_dataset("own", write_entry(file, source="restricted", path="/no/such", page="https://page")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no videos"):
        candidates(folder_of(tmp_path / "empty"))


def test_a_pattern_chooses_files_and_a_folder_may_be_absent(tmp_path, monkeypatch):
    for name in ("a/one.mp4", "a/two.mp4", "b/three.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, _, refused = candidates(folder_of(tmp_path, files="^a/(?!two)"))
    assert [candidate.relative for candidate in found] == ["a/one.mp4"] and not refused
    with pytest.raises(DatasetError, match=r"holds no videos whose path matches \^c/"):
        candidates(folder_of(tmp_path, files="^c/"))
    file = write_entry(tmp_path / "d.yaml", source="folder", path="$OWN_VIDEOS", enabled="where-present")
    monkeypatch.delenv("OWN_VIDEOS", raising=False)
    assert read_dataset("own", file).enabled is False
    monkeypatch.setenv("OWN_VIDEOS", str(tmp_path))
    assert read_dataset("own", file).enabled is True


def test_every_committed_entry_is_valid():
    names = yaml.safe_load(DATASETS_FILE.read_text())["datasets"]
    sets = [read_dataset(name) for name in names]
    assert {"portraits-mini-broadcast", "portraits-mini-street", "portraits-mini-studio"} <= {s.id for s in sets}
    assert all(s.page and not s.enabled for s in sets if s.source == "restricted")
    assert all(not Path(s.path).is_absolute() for s in sets)


def test_command_line(corpus, tmp_path, capsys):
    file = write_entry(tmp_path / "d.yaml", source="shipped", path=str(corpus), subset="studio", enabled=False)
    base = ["--dataset", "own", "--datasets", str(file), "--frame-size", "16", "--out", str(tmp_path / "out")]
    main(base)
    assert "not enabled" in capsys.readouterr().out and len(ClipSet(tmp_path / "out")) == 0
    main([*base, "--path", str(corpus), "--threads", "2"])
    assert "6 clips (3 train, 2 test, 1 seen), 1 cross pairs, 0 refused" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main([*base, "--path", str(tmp_path / "absent")])
    assert stop.value.code == 2 and "does not exist" in capsys.readouterr().err


@pytest.mark.skipif("SEMO_MEDIA" not in os.environ, reason="SEMO_MEDIA names no folder with real clips")
def test_real_videos_have_the_right_number_of_frames():
    root = Path(os.environ["SEMO_MEDIA"])
    with open(root / "manifest.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "real"]
    assert rows
    for row in rows:
        info = media.probe(root / row["file"])
        assert info.frames_at(25) == pytest.approx(float(row["duration"]) * 25, abs=3), row["file"]
        assert info.has_audio == (row["audio"] == "yes")


@pytest.mark.skipif("SEMO_MEDIA" not in os.environ, reason="SEMO_MEDIA names no folder with real clips")
def test_real_videos_are_prepared_or_refused_with_a_reason(tmp_path):
    root = Path(os.environ["SEMO_MEDIA"]) / "real"
    kinds = ("dhfv__003762", "grid_lipnet__bbaf2n", "mead_dreamtalk__W009_front_fear", "videoretalking__1",
             "hdtf_sadtalker__WDA_Katie", "tpsmm__driving")
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in root.iterdir():
        if path.name.startswith(kinds):
            (videos / path.name).symlink_to(path)
    out = tmp_path / "out"
    clips, _, refused = Preparation(folder_of(videos, detector="cascade", max_seconds=1.0), 64, out).run()
    assert len(clips) + len(refused) == len(list(videos.iterdir())) and len(clips) >= 5
    for clip in clips:
        frames = ClipSet(out).frames(clip)
        assert frames.shape == (25, 64, 64, 3) and frames.std() > 20
    about = json.loads((out / "dataset.json").read_text())
    assert about["clips"] == len(clips) and about["refused"] == len(refused)
