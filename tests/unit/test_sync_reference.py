"""Our SyncNet, S3FD and pipeline against syncnet-python 0.2.3 on the same seeded weights and inputs.

The expected values were written by tests/syncnet/reference.py in the other package's own environment. `make
test-syncnet` runs that again and compares with the fresh file, which SEMO_SYNCNET_REFERENCE names.
"""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from semo.features.lipsync import reencode
from semo.features.lipsync.distances import shift_distances
from semo.features.lipsync.embed import Embedder, LipStream
from semo.features.lipsync.reencode import Mpeg4Writer, XvidWriter
from semo.features.lipsync.scenes import SceneCuts
from semo.features.lipsync.tracks import crop, tracks
from semo.features.nets.s3fd import MEAN_RGB, S3FD, faces
from semo.features.nets.syncnet import SyncNet as Network
from semo.features.syncnet import SyncNet, SyncNetWholeFrame
from semo.metrics.sync import confidence, distance, offset
from tests.syncnet import seeded

# FFmpeg's JPEG encoder steers by the size of earlier pictures, in whose header its own version is written
VERSIONS = 1e-4
FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "syncnet" / "reference.npz"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(os.environ.get("SEMO_SYNCNET_REFERENCE", FIXTURE)) as data:
        return dict(data)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Seeded weights under the official file names; the detector answers to the disc of `seeded.video`."""
    folder = tmp_path_factory.mktemp("weights")
    syncnet, s3fd = Network(), S3FD()
    seeded.seed_weights(syncnet, 1)
    seeded.seed_weights(s3fd, 2)
    seeded.look_for_disc(s3fd)
    torch.save(syncnet.state_dict(), folder / "syncnet_v2.model")
    torch.save(s3fd.state_dict(), folder / "sfd_face.pth")
    return {path.name: path for path in folder.iterdir()}


def close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    """Equal up to `relative` of the largest expected value; 1e-5 is the order of float32 sums."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


def test_embeddings(expected, files) -> None:
    embedder = Embedder(files["syncnet_v2.model"])
    close(embedder.lips(seeded.mouth_crops(9)), expected["lips"], 1e-5)
    patches = np.random.default_rng(13).normal(size=(6, 1, 13, 20)).astype(np.float32) * 10
    with torch.inference_mode():
        found = embedder.network.speech(torch.from_numpy(patches[:, 0]).transpose(1, 2)).numpy()
    close(found, expected["speech"], 1e-5)


def test_distances_of_crops_and_sound(expected, files) -> None:
    embedder = Embedder(files["syncnet_v2.model"])
    lips = LipStream(embedder)
    for image in seeded.mouth_crops(40):
        lips.add(image)
    found = shift_distances(lips.finish()[:35], embedder.speech(seeded.sound(40), 35))
    close(found, expected["evaluate_distances"], 1e-5)
    assert offset(found) == expected["evaluate"][0]
    close(np.array([confidence(found), distance(found)]), expected["evaluate"][1:], 1e-5)


def test_faces_of_a_picture(expected) -> None:
    net = S3FD().eval()
    seeded.seed_weights(net, 2)
    image = seeded.texture(17, 300, 400)
    small = cv2.resize(image, None, fx=0.25, fy=0.25).astype(np.float32) - np.float32(MEAN_RGB)
    with torch.inference_mode():
        scores, boxes = net(torch.from_numpy(small).permute(2, 0, 1)[None])
    found = faces(scores[0].numpy(), boxes[0].numpy(), 400, 300, float(expected["faces_least"]), 0.1)
    # several score 1.0 exactly, so their order is nobody's; pixels, of float32 boxes
    wanted = expected["faces"]
    np.testing.assert_allclose(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)], rtol=0, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_cuts(expected, seed: int) -> None:
    scenes = SceneCuts()
    for change in seeded.changes(seed):
        scenes.note(change)
    assert scenes.cuts == expected[f"cuts_{seed}"].tolist()


def test_change_between_pictures(expected, monkeypatch) -> None:
    scenes, seen = SceneCuts(), []
    monkeypatch.setattr(scenes, "note", seen.append)
    for seed in range(4):
        scenes.add(seeded.texture(seed, 200, 240))
    np.testing.assert_allclose(seen, expected["content"], rtol=1e-12)


def test_track_and_crops(expected, tmp_path) -> None:
    found = [np.array(boxes, np.float64).reshape(-1, 4) for boxes in seeded.detections()]
    (track,) = tracks(found)
    assert track.first == expected["track_first"][0] and track.detections == sum(map(len, found))
    close(track.boxes, expected["track_boxes"], 1e-6)
    writer = XvidWriter(tmp_path / "x.avi")
    for i, square in enumerate(track.squares()):
        writer.write(crop(seeded.texture(100 + track.first + i, 240, 320, 8.0), square))
    writer.close()
    capture, crops = cv2.VideoCapture(str(tmp_path / "x.avi")), []
    while (read := capture.read())[0]:
        crops.append(cv2.resize(read[1], (16, 16), interpolation=cv2.INTER_AREA))
    np.testing.assert_array_equal(np.stack(crops[::8]), expected["track_crops"])


def frames_as_stored(frames: int = seeded.FRAMES) -> list[av.VideoFrame]:
    return [av.VideoFrame.from_ndarray(planes, format="yuv420p") for planes in seeded.planes(seeded.video(frames))]


def test_whole_frame_wrapper(expected, files) -> None:
    session = SyncNetWholeFrame(files).start()
    pictures = [cv2.resize(picture, (224, 224)) for picture in reencode.pictures(frames_as_stored(20))]
    for picture in pictures:
        session.lips.add(picture)
    found = session.finish(seeded.sound(20) / np.float32(32768))["distances"][0]
    close(found, expected["whole_frame_distances"], VERSIONS)


def test_whole_pipeline_from_the_same_yuv(expected, files) -> None:
    """From a video file through every lossy step to distances."""
    session = SyncNet(files).start()
    height, width = seeded.video(1).shape[1:3]
    session.video = Mpeg4Writer(session.path / "video.avi", width, height)
    for frame in frames_as_stored():
        session.video.write(frame)
    found = session.finish(seeded.sound(seeded.FRAMES) / np.float32(32768))
    assert found["detections"].tolist() == [len(expected["whole_boxes"])]
    assert found["windows"].tolist() == [seeded.FRAMES - 5]
    close(found["distances"][0], expected["whole_distances"], VERSIONS)
    assert offset(found["distances"][0]) == expected["whole"][0]


def test_whole_pipeline_from_frames(expected, files) -> None:
    """Frames reach us as RGB, so the first encoder sees colours that were rounded once more than upstream's."""
    session = SyncNet(files).start()
    session.add(np.stack([frame.to_ndarray(format="rgb24") for frame in frames_as_stored()]))
    found = session.finish(seeded.sound(seeded.FRAMES) / np.float32(32768))["distances"][0]
    close(found, expected["whole_distances"], 2e-3)
    assert offset(found) == expected["whole"][0]
    assert confidence(found) == pytest.approx(expected["whole"][1], rel=1e-3)


def test_reference_file_is_complete(expected) -> None:
    assert expected["whole_boxes"].shape == (seeded.FRAMES, 4) and FIXTURE.stat().st_size < 200_000
