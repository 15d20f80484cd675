"""Sync-C, Sync-D and offset: known answers, invariance, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.errors import DatasetError, MediaError
from semo.features.base import Features
from semo.features.lipsync.detect import batch_of
from semo.features.lipsync.distances import shift_distances
from semo.features.lipsync.reencode import Jpeg, Mpeg4Writer, XvidWriter, decoded
from semo.features.lipsync.scenes import SceneCuts
from semo.features.lipsync.tracks import SIDE, Track, crop, tracks
from semo.features.lipsync.weights import load
from semo.features.nets.s3fd import S3FD, suppressed
from semo.features.nets.syncnet import SyncNet as Network
from semo.features.syncnet import SyncNet, SyncNetWholeFrame
from semo.metrics import all_metrics
from semo.metrics.base import ClipFeatures
from semo.metrics.sync import confidence, distance, offset, why_none
from tests.syncnet import seeded

FRAMES = 24


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    for name, network, seed in (("syncnet_v2.model", Network(), 1), ("sfd_face.pth", S3FD(), 2)):
        seeded.seed_weights(network, seed)
        if name == "sfd_face.pth":
            seeded.look_for_disc(network)
        torch.save(network.state_dict(), folder / name)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole_frame(files) -> SyncNetWholeFrame:
    return SyncNetWholeFrame(files)


@pytest.fixture(scope="module")
def tracked(files) -> SyncNet:
    return SyncNet(files)


def waveform(frames: int) -> np.ndarray:
    return seeded.sound(frames) / np.float32(32768)


def run(extractor, frames: np.ndarray, sound: np.ndarray | None, chunk: int = 8) -> Features:
    session = extractor.start()
    for start in range(0, len(frames), chunk):
        session.add(frames[start : start + chunk])
    return session.finish(sound)


@settings(max_examples=20, deadline=None)
@given(shift=st.integers(-15, 15), seed=st.integers(0, 1000))
def test_sound_shifted_by_k_frames_moves_the_offset_by_k(shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.normal(size=(120, 32)).astype(np.float32) + 3
    lips, speech = said[30:90], said[30 + shift : 90 + shift]  # speech[i] belongs to lips[i + shift]
    found = shift_distances(lips, speech)
    assert offset(found) == shift
    # where they overlap they agree up to torch's epsilon; beyond the clip the distance is that to zero
    norms = np.linalg.norm(lips, axis=1)
    beyond = norms[: max(0, shift)].sum() + norms[60 + min(0, shift) :].sum()
    assert distance(found) == pytest.approx(beyond / 60, abs=1e-4)


def test_distances_to_embeddings_that_are_equal_everywhere() -> None:
    same = np.full((40, 4), 3.0, np.float32)
    found = shift_distances(same, same)
    assert found[15] == pytest.approx(2e-6, abs=1e-6)  # 1e-6 on each of four differences, rounded in float32
    # shift by k: k of 40 windows see zeros, at distance 6
    np.testing.assert_allclose(found, [6 * abs(k) / 40 for k in range(-15, 16)], atol=1e-5)
    assert confidence(found) == pytest.approx(6 * 8 / 40, abs=1e-5) and offset(found) == 0


def test_shift_distances_equal_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    lips, speech = rng.normal(size=(2, 20, 8)).astype(np.float32)
    expected = np.zeros(31)
    for i, lip in enumerate(lips):
        for s in range(-15, 16):
            other = speech[i + s] if 0 <= i + s < 20 else np.zeros(8, np.float32)
            pair = torch.nn.functional.pairwise_distance(torch.from_numpy(lip)[None], torch.from_numpy(other)[None])
            expected[15 + s] += float(pair) / 20
    np.testing.assert_allclose(shift_distances(lips, speech), expected, rtol=1e-6)


def test_values_of_a_clip() -> None:
    row = np.abs(np.arange(31.0) - 12) + 5  # best at 12: lips lag by 3 frames
    features = {
        "distances": np.array([row, row * 2, row * 10], np.float32),
        "windows": np.array([115, 60, 40], np.int32),
        "detections": np.array([120, 65, 45], np.int32),
    }
    pair = ClipFeatures({}, features)
    value = {name: metric.of_clip(pair) for name, metric in all_metrics().items() if metric.network == "syncnet"}
    median = np.median(row) - 5
    assert value == pytest.approx(
        {"sync_c": median, "sync_d": 5.0, "sync_offset": 3.0,
         "sync_c_track50": 1.5 * median, "sync_d_track50": 7.5, "sync_offset_track50": 3.0}
    )
    assert why_none(features, 100) is None


def test_variants_are_named_and_never_the_default() -> None:
    metrics = {name: metric for name, metric in all_metrics().items() if name.startswith("sync_")}
    assert len(metrics) == 9 and len({m.label for m in metrics.values()}) == 9
    for name, metric in metrics.items():
        base = name.removesuffix("_track50").removesuffix("_whole_frame")
        assert metric.variant_of == ("" if name == base else base)


def test_lips_of_a_run_equal_lips_of_single_windows(whole_frame) -> None:
    crops = seeded.mouth_crops(7)
    together = whole_frame.embedder.lips(crops)
    alone = np.concatenate([whole_frame.embedder.lips(crops[i : i + 5]) for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5 * np.abs(alone).max())


def test_files_must_fit_the_network(tmp_path, files) -> None:
    with pytest.raises(DatasetError, match="holds no weights of S3FD"):
        load(S3FD(), files["syncnet_v2.model"], "cpu")
    (tmp_path / "x.pth").write_bytes(b"no weights")
    with pytest.raises(DatasetError, match="x.pth: holds no weights of SyncNet"):
        load(Network(), tmp_path / "x.pth", "cpu")
    torch.save(Network(), tmp_path / "pickled.model")
    with pytest.raises(DatasetError, match="holds no weights of SyncNet"):
        load(Network(), tmp_path / "pickled.model", "cpu")


def test_suppression_keeps_the_better_of_two_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float64)
    assert suppressed(boxes, np.array([0.5, 0.9, 0.7]), 0.3).tolist() == [1, 2]
    assert suppressed(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []


def test_large_pictures_go_through_the_detector_in_small_batches() -> None:
    sizes = [(256, 256), (512, 512), (1080, 1920), (2160, 3840), (4320, 7680)]
    assert [batch_of(*size) for size in sizes] == [16, 16, 2, 1, 1]


def test_two_faces_give_two_tracks_and_gaps_are_filled() -> None:
    left, right = np.array([0, 0, 120, 120.0]), np.array([300, 0, 420, 130.0])
    found = [np.array([left + i, right]) if i % 2 else np.array([right]) for i in range(60)]
    one, two = tracks(found, first=100)
    assert (one.first, one.detections, len(one.boxes)) == (100, 60, 60) and one.size == 130
    assert (two.first, two.detections, len(two.boxes)) == (101, 30, 59)
    np.testing.assert_allclose(two.boxes, [left + i for i in range(1, 60)])


def test_a_face_missed_for_more_than_25_frames_begins_a_new_track() -> None:
    face = np.array([[0, 0, 100, 100.0]])
    for missed, count in ((25, 1), (26, 2)):
        found = [face, *[np.zeros((0, 4))] * (missed - 1), face]
        assert len(tracks(found)) == count


def test_crop_of_a_face_at_the_border_is_grey_outside() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    out = crop(image, np.array([0.0, 0.0, 60.0]))
    assert out.shape == (SIDE, SIDE, 3)
    assert (out[:60] == 110).all() and (out[:, :100] == 110).all() and (out[100:180, 130:200] == 255).all()


def test_one_scene_without_cuts_and_two_with_one() -> None:
    scenes = SceneCuts()
    for picture in (seeded.texture(1, 120, 160), seeded.texture(2, 120, 160)):
        for _ in range(20):
            scenes.add(picture)
    assert scenes.scenes() == [(0, 20), (20, 40)]


@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_lossy_steps_keep_size_and_number_of_frames(tmp_path, size: tuple[int, int]) -> None:
    width, height = size
    frames = [seeded.texture(i, height, width) for i in range(4)]
    writer, jpeg = Mpeg4Writer(tmp_path / "a.avi", width, height), Jpeg(width, height)
    for frame in frames:
        writer.write(frame)
        picture = jpeg(frame)
        assert picture.shape == (height, width, 3)
        assert np.abs(picture[..., ::-1].astype(int) - frame).mean() < 30  # BGR comes out; channels differ by 65
    writer.close()
    back = [frame.to_ndarray(format="rgb24") for frame in decoded(tmp_path / "a.avi")]
    assert len(back) == 4 and back[0].shape == (height, width, 3)
    assert 0 < np.abs(np.stack(back).astype(int) - np.stack(frames)).mean() < 30


def test_xvid_writes_every_frame(tmp_path) -> None:
    writer = XvidWriter(tmp_path / "x.avi")
    for image in seeded.mouth_crops(3):
        writer.write(image)
    writer.close()
    assert sum(1 for _ in decoded(tmp_path / "x.avi")) == 3


def test_whole_frame_does_not_depend_on_chunks(whole_frame) -> None:
    frames, sound = seeded.video(FRAMES, 96, 96), waveform(FRAMES)
    one, many = run(whole_frame, frames, sound, FRAMES), run(whole_frame, frames, sound, 5)
    assert one["distances"].shape == (1, 31) and one["windows"].tolist() == [FRAMES - 5]
    for name in one:
        np.testing.assert_array_equal(one[name], many[name])


@pytest.mark.parametrize(
    ("frames", "sound", "reason"),
    [
        (8, None, "it has no sound"),
        (8, np.zeros(8 * 640, np.float32), "its sound is digital silence"),
        (5, waveform(5), "it is too short: 5 frames, at least 6 are needed"),
    ],
)
def test_no_value_and_why(whole_frame, frames: int, sound: np.ndarray | None, reason: str) -> None:
    features = run(whole_frame, seeded.video(frames, 64, 64), sound)
    assert features["distances"].shape == (0, 31)
    assert why_none(features, 0) == reason
    for metric in all_metrics().values():
        if metric.network == "syncnet-whole-frame":
            pair = ClipFeatures({}, features)
            assert metric.of_clip(pair) is None and metric.why_none(pair) == reason


def test_six_frames_are_enough(whole_frame) -> None:
    assert run(whole_frame, seeded.video(6, 64, 64), waveform(6))["windows"].tolist() == [1]


def test_no_track_and_why(tracked, monkeypatch) -> None:
    sound = waveform(12)
    empty = np.full((12, 128, 128, 3), 90, np.uint8)
    assert why_none(run(tracked, empty, None), 50) == "it has no sound"
    features = run(tracked, empty, sound)
    assert features["distances"].shape == (0, 31) and why_none(features, 50) == "no face was found in any frame"
    monkeypatch.setattr(tracked, "finder", lambda images: [np.array([[10, 10, 60, 60.0]])] * len(images))
    assert why_none(run(tracked, empty, sound), 50) == (
        "no face was found in more than 50 frames of one scene, the most are 12 of 12"
    )
    small = run(tracked, np.full((60, 64, 64, 3), 90, np.uint8), waveform(60))
    assert all_metrics()["sync_c"].why_none(ClipFeatures({}, small)) == (
        "no face was found in more than 100 frames of one scene, the most are 60 of 60"
    )
    assert why_none(small, 50) == "its faces are too small: 50 pixels, more than 100 are needed"


def test_frames_too_small_for_the_detector(tracked) -> None:
    features = run(tracked, np.zeros((3, 108, 200, 3), np.uint8), waveform(3))
    assert why_none(features, 50) == "no face was found in any frame"


def test_damaged_sound_is_refused_and_nothing_is_left_behind(tracked) -> None:
    session = tracked.start()
    session.add(np.zeros((3, 64, 64, 3), np.uint8))
    with pytest.raises(MediaError, match="NaN"):
        session.finish(np.full(3 * 640, np.nan, np.float32))
    assert not session.path.exists()


def test_sound_is_cut_to_the_track(tracked, monkeypatch) -> None:
    """A face that is there from frame 20 on gives what the clip from frame 20 on gives."""
    def finder(first: int):
        state = {"frame": 0}

        def find(images):
            numbers = range(state["frame"], state["frame"] + len(images))
            state["frame"] += len(images)
            return [np.array([[40, 40, 150, 150.0]]) if n >= first else np.zeros((0, 4)) for n in numbers]

        return find

    monkeypatch.setattr("semo.features.lipsync.sessions.MIN_TRACK", 12)
    frames, sound = np.repeat(seeded.video(1, 192, 192), 34, 0), waveform(34)
    monkeypatch.setattr(tracked, "finder", finder(20))
    late = run(tracked, frames, sound)
    monkeypatch.setattr(tracked, "finder", finder(0))
    alone = run(tracked, frames[20:], sound[20 * 640 :])
    assert late["windows"].tolist() == alone["windows"].tolist() == [9]
    # frames stand still, so the encoder's state is all that differs
    np.testing.assert_allclose(late["distances"], alone["distances"], rtol=0.02)


def test_squares_are_smoothed() -> None:
    boxes = np.tile([100.0, 100, 220, 240], (40, 1))
    boxes[20] += 50  # one jump
    squares = Track(0, boxes, 40).squares()
    np.testing.assert_allclose(squares[6:-6], np.tile([160, 170, 70], (28, 1)))
