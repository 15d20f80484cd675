"""portraits-mini as shipped: tables, files, ground truth against itself and against the decoded videos."""

import csv
import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[2] / "data" / "portraits-mini"
SUBSETS = ("broadcast", "street", "studio")
COLUMNS = {"pose_deg": 3, "head_trans": 3, "body_deg": 3, "visemes": 16, "gaze_deg": 2, "light": 7, "camera": 4,
                "face_box": 4, "mouth_box": 4}


def table(name: str) -> list[dict[str, str]]:
    with open(ROOT / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


CLIPS = table("corpus.tsv")
PAIRS = table("cross.tsv")
SAMPLE = [row for split in ("train", "test", "seen")
          for subset in SUBSETS for row in [r for r in CLIPS if r["split"] == split and r["subset"] == subset][::40]]


def truth(row: dict[str, str]) -> dict[str, np.ndarray]:
    with np.load((ROOT / row["path"]).with_suffix(".npz"), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def video_packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def test_counts_per_split():
    people = {(subset, split): {r["identity"] for r in CLIPS if (r["subset"], r["split"]) == (subset, split)}
              for subset in SUBSETS for split in ("train", "test", "seen")}
    clips = Counter((r["subset"], r["split"]) for r in CLIPS)
    for subset in SUBSETS:
        assert len(people[subset, "train"]) == 100
        assert len(people[subset, "test"]) == 10
        assert clips[subset, "test"] == 30
        assert people[subset, "seen"] < people[subset, "train"]
    assert sum(clips[subset, "seen"] for subset in SUBSETS) >= 20
    assert Counter(r["subset"] for r in PAIRS) == dict.fromkeys(SUBSETS, 10)


def test_no_test_person_is_trained_on_or_in_two_subsets():
    test = {r["identity"] for r in CLIPS if r["split"] == "test"}
    assert test.isdisjoint(r["identity"] for r in CLIPS if r["split"] != "test")
    subsets_of = Counter(identity for identity, _ in {(r["identity"], r["subset"]) for r in CLIPS})
    assert set(subsets_of.values()) == {1}
    assert len({r["clip"] for r in CLIPS}) == len(CLIPS)


def test_sizes_and_lengths_follow_the_split():
    expected = {"train": ("50", "128"), "seen": ("50", "128"), "test": ("125", "256")}
    assert {r["split"]: (r["frames"], r["size"]) for r in CLIPS} == expected
    assert {r["frames"] for r in PAIRS} == {"50"}


def test_splits_are_balanced_in_sex_group_and_age():
    for split in ("train", "test"):
        people = {}
        for row in CLIPS:
            if row["split"] == split:
                people[row["identity"]] = row
        parameters = [json.loads(str(truth(row)["params"])) for row in people.values()]
        for key, kinds in (("sex", 2), ("group", 4), ("age_band", 4)):
            counts = Counter(p[key] for p in parameters)
            assert len(counts) == kinds
            assert min(counts.values()) >= .7 * len(parameters) / kinds, (split, counts)


def test_files_are_the_ones_the_tables_name():
    for row in CLIPS:
        data = (ROOT / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["clip"]
    named = {r["path"] for r in CLIPS} | {r["path"] for r in PAIRS}
    on_disk = {p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.mp4")}
    assert named == on_disk
    assert {Path(r["path"]).with_suffix(".npz").as_posix() for r in CLIPS} == {
        p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.npz")}


def test_folder_is_small_enough_for_git():
    size = sum(p.stat().st_size for p in ROOT.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    assert size <= 48e6


def test_every_video_has_its_number_of_frames():
    for row in CLIPS + PAIRS:
        assert video_packets(ROOT / row["path"]) == int(row["frames"]), row["path"]


@pytest.mark.parametrize("row", SAMPLE, ids=[r["clip"] for r in SAMPLE])
def test_decoded_video_and_truth_have_the_declared_shapes(row):
    frames, size, arrays = int(row["frames"]), int(row["size"]), truth(row)
    video = decoded(ROOT / row["path"])
    assert len(video) == frames and video[0].shape == (size, size, 3)
    for key, columns in COLUMNS.items():
        assert arrays[key].shape == (frames, columns) and arrays[key].dtype == np.float16, key
    for key in ("blink", "brow", "emotion_w", "energy"):
        assert arrays[key].shape == (frames,) and arrays[key].dtype == np.float16, key
    assert arrays["units"].shape == (frames, len(arrays["unit_names"]))
    assert arrays["landmarks"].shape == (frames, 68, 2) and arrays["landmarks"].dtype == np.float16
    assert arrays["landmarks3d"].shape == (frames, 68, 3)
    assert arrays["landmark_visible"].shape == (frames, 68) and arrays["landmark_visible"].dtype == bool
    assert len(arrays["viseme_names"]) == 16 and len(arrays["light_names"]) == 7
    assert len(arrays["phoneme"]) == len(arrays["phoneme_t"])
    assert str(arrays["text"]) and str(arrays["emotion"]) and int(arrays["fps"]) == 25
    np.testing.assert_allclose(arrays["visemes"].astype(float).sum(1), 1, atol=5e-3)
    boxes = arrays["mouth_box"].astype(float), arrays["face_box"].astype(float)
    assert (boxes[0][:, 2] > boxes[0][:, 0]).all() and (boxes[1][:, 3] > boxes[1][:, 1]).all()
    visible = arrays["landmarks"].astype(float)[arrays["landmark_visible"]]
    assert visible.min() >= 0 and visible.max() <= size


@pytest.mark.parametrize("row", SAMPLE[::3], ids=[r["clip"] for r in SAMPLE[::3]])
def test_speech_is_16_khz_mono_and_as_loud_as_the_truth_says(row):
    frames = int(row["frames"])
    with av.open(str(ROOT / row["path"])) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name) == (16000, "mono")
        assert not stream.start_time and not container.streams.video[0].start_time
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]).astype(float)
    assert len(wave) >= frames * 640
    padded = np.concatenate([np.zeros(320), wave])[:frames * 640].reshape(frames, 640)
    loudness, energy = np.sqrt((padded ** 2).mean(1)), truth(row)["energy"].astype(float)
    lags = [np.corrcoef(loudness[max(-k, 0):frames - max(k, 0)], energy[max(k, 0):frames - max(-k, 0)])[0, 1]
            for k in range(-4, 5)]
    assert np.argmax(lags) == 4 and lags[4] > .98


def eye_aspect_ratio(points: np.ndarray, first: int) -> np.ndarray:
    p = points[:, first:first + 6]
    height = np.linalg.norm(p[:, 1] - p[:, 5], axis=1) + np.linalg.norm(p[:, 2] - p[:, 4], axis=1)
    return height / 2 / np.linalg.norm(p[:, 0] - p[:, 3], axis=1)


def test_eyes_close_when_the_truth_says_blink():
    correlations = []
    for row in [r for r in CLIPS if r["split"] == "test"][::5]:
        arrays = truth(row)
        points = arrays["landmarks"].astype(float)
        openness = (eye_aspect_ratio(points, 36) + eye_aspect_ratio(points, 42)) / 2
        correlations.append(np.corrcoef(openness, arrays["blink"].astype(float))[0, 1])
    assert np.median(correlations) < -.9 and max(correlations) < -.6, correlations


def test_lips_meet_on_p_b_m():
    shut, speaking = [], []
    for row in [r for r in CLIPS if r["split"] == "test"]:
        arrays = truth(row)
        points, visemes = arrays["landmarks"].astype(float), arrays["visemes"].astype(float)
        gap = np.linalg.norm(points[:, 62] - points[:, 66], axis=1)
        bilabial, silent = visemes[:, 1], visemes[:, 0]
        shut.extend(gap[bilabial > .6])
        speaking.extend(gap[(bilabial < .1) & (silent < .3)])
    assert np.quantile(shut, .9) < 2.5      # pixels of 256; the two points are never exactly one
    assert np.median(speaking) > 4 * np.median(shut)


def test_cross_pairs_join_different_test_people_of_one_subset():
    by_name = {row["clip"]: row for row in CLIPS}
    for pair in PAIRS:
        source, driving = by_name[pair["source_clip"]], by_name[pair["driving_clip"]]
        assert source["identity"] != driving["identity"]
        assert {source["subset"], driving["subset"], pair["subset"]} == {pair["subset"]}
        assert {source["split"], driving["split"]} == {"test"}


def test_cross_truth_shows_the_source_person_with_the_driving_motion():
    """Backdrop and colours are the source's; the face changes from frame to frame as the driving face does."""
    by_name = {row["clip"]: row for row in CLIPS}

    def change(video: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(video[:, 64:220, 64:192], axis=0)).mean((1, 2, 3))

    for pair in PAIRS[::10]:
        video, source, driving = (np.stack(decoded(ROOT / path)[:50]).astype(float) for path in (
            pair["path"], by_name[pair["source_clip"]]["path"], by_name[pair["driving_clip"]]["path"]))
        corner = np.s_[:, :24, :24]
        assert np.abs(video[corner] - source[corner]).mean() < np.abs(video[corner] - driving[corner]).mean()
        if pair["subset"] != "street":      # there the camera shakes and the light moves, in the source's own way
            assert np.corrcoef(change(video), change(driving))[0, 1] > .5


def test_yunet_finds_exactly_one_face():
    folder = os.environ.get("SEMO_WEIGHTS")
    weights = Path(folder or "") / "yunet_n_dynamic.onnx"
    if not folder or not weights.is_file():
        pytest.skip("SEMO_WEIGHTS names no folder with yunet_n_dynamic.onnx")
    import cv2

    from semo.detect import YuNet

    detector, wrong, looked = YuNet(weights), [], 0
    for row in CLIPS:
        first = decoded_frames(ROOT / row["path"], (int(row["frames"]) // 3,))
        for frame in first:
            large = frame if frame.shape[0] >= 256 else cv2.resize(frame, (256, 256), interpolation=cv2.INTER_CUBIC)
            looked += 1
            if len(detector(large)) != 1:
                wrong.append(row["clip"])
    assert not wrong and looked == len(CLIPS)


def decoded_frames(path: Path, wanted: tuple[int, ...]) -> list[np.ndarray]:
    frames = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                frames.append(frame.to_ndarray(format="rgb24"))
            if number >= max(wanted):
                break
    return frames
