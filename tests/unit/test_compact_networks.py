"""Networks of the compact tier without their weights: layers, files, crops, and what a clip's features look like."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.errors import MediaError
from semo.features import all_networks
from semo.features.face_finder import FaceFinder, back, cut, follow, similarity, square
from semo.features.faces import Faces
from semo.features.lrasd import LRASDSpeaker, LRASDVisual
from semo.features.nets.loading import filled, read_tensors
from semo.features.nets.tddfa import euler_angles, read_whitening
from semo.features.squeezenet import SqueezeNet
from semo.registry import read_weight
from tests.unit import compact_samples as samples

KEYS = Path(__file__).parent / "golden" / "compact_keys"
SIDES = {"facemesh": 192, "mobilefacenet": 112, "tddfa": 120}
COMPACT = ("faces", "lrasd", "lrasd-visual", "squeezenet")


@pytest.mark.parametrize("name", samples.MODULES)
def test_modules_have_exactly_the_keys_and_shapes_of_the_published_weights(name):
    published = dict(line.split() for line in (KEYS / f"{name}.txt").read_text().splitlines())
    ours = {
        key: "x".join(map(str, t.shape)) or "scalar" for key, t in samples.random_network(name).state_dict().items()
    }
    assert ours == published


@pytest.mark.parametrize("name", SIDES)
def test_a_crop_does_not_see_the_others_of_its_batch(name):
    network = samples.random_network(name)
    crops = torch.rand(3, 3, SIDES[name], SIDES[name], generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together, alone = network(crops), network(crops[1:2])
    pairs = zip(together, alone, strict=True) if isinstance(together, tuple) else [(together, alone)]
    for a, b in pairs:  # float32 sums in another order
        torch.testing.assert_close(a[1:2], b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


def test_lrasd_gives_a_logit_per_frame_whatever_shares_its_batch():
    network = samples.random_network("lrasd")
    faces, sound = torch.rand(2, 6, 112, 112) * 255, torch.randn(2, 24, 13)
    with torch.inference_mode():
        seen = network.visual(faces)
        logits = network.logits(seen, sound)
        alone = network.logits(network.visual(faces[1:]), sound[1:])
    assert seen.shape == (2, 6, 128) and logits.shape == (2, 6)
    torch.testing.assert_close(logits[1:], alone, rtol=1e-3, atol=1e-4)


def test_declarations_name_weights_with_address_size_and_hash():
    networks = all_networks()
    for name in COMPACT:
        assert networks[name].tier == "compact" and networks[name].protocol
        for file in [item for weight in networks[name].weights for item in read_weight(weight).files]:
            assert file.url.startswith("https://raw.githubusercontent.com/") and file.bytes < 4 << 20 and file.sha256


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_files_that_hold_code_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bomb.pkl").write_bytes(pickle.dumps(Bomb()))
    torch.save(Bomb(), "bomb.pth")
    with pytest.raises(MediaError, match="no two arrays of 62"):
        read_whitening(Path("bomb.pkl"))
    with pytest.raises(MediaError, match="cannot be read as a file of tensors"):
        read_tensors(Path("bomb.pth"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x80\x02}."])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="file: "):
        read_tensors(path)
    with pytest.raises(MediaError, match="file: "):
        read_whitening(path)
    with pytest.raises(MediaError, match="OpenCV cannot read it"):
        SqueezeNet({"squeezenet_fp16_winml.onnx": path})


def test_tensors_of_another_network_are_refused(tmp_path):
    state = samples.random_network("tddfa").state_dict()
    with pytest.raises(MediaError, match="not those of FaceMesh"):
        filled(samples.MODULES["facemesh"](), state, tmp_path / "x.pth")
    state.pop("fc_lm.bias")
    with pytest.raises(MediaError, match="not those of TDDFA"):
        filled(samples.MODULES["tddfa"](), state, tmp_path / "x.pth")


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation (3, 3) with these angles in degrees in the convention of 3DDFA."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


angles = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-170, 170))


@given(angles, st.floats(1e-4, 10))
def test_angles_come_back_from_a_scaled_camera_matrix(expected, scale):
    camera = np.concatenate([scale * rotation(*expected), [[60.0], [70.0], [0.0]]], axis=1)
    np.testing.assert_allclose(euler_angles(camera.reshape(1, 12))[0], expected, atol=1e-6)


places = st.floats(-50, 300)


@given(places, places, st.floats(5, 500), st.floats(-3, 3), st.lists(st.tuples(places, places), min_size=1))
def test_points_of_a_crop_go_back_to_where_they_were(x, y, side, angle, points):
    to_crop = square(x, y, side, 192, angle)
    there = np.array(points) @ to_crop[:, :2].T + to_crop[:, 2]
    np.testing.assert_allclose(back(to_crop, there), points, atol=1e-6)
    np.testing.assert_allclose(to_crop @ [x, y, 1], [95.5, 95.5], atol=1e-6)


@given(st.floats(0.2, 5), st.floats(-3, 3), places, places)
def test_similarity_finds_the_map_between_two_placings(scale, angle, x, y):
    template = np.array([[38.0, 51.0], [73.0, 51.0], [56.0, 71.0], [41.0, 92.0], [70.0, 92.0]])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(template @ turn.T + [x, y], template)
    np.testing.assert_allclose(found[:, :2] @ turn, np.eye(2), atol=1e-9)


@pytest.mark.parametrize("side", [20, 64, 300])
def test_a_crop_shows_what_lies_there_at_every_scale(side):
    """On a plane of brightness the crop's middle and slopes are known, also where pixels are averaged first."""
    rows, columns = np.mgrid[0:400, 0:400]
    frame = np.repeat((rows / 4 + columns / 4)[..., None], 3, axis=2).astype(np.uint8)
    crop = cut(frame, square(205.0, 190.0, side, 32), 32).astype(float)
    assert crop.mean() == pytest.approx((205 + 190) / 4 - 0.5, abs=0.6)  # the frame is rounded down to whole levels
    assert crop[:, -1].mean() - crop[:, 0].mean() == pytest.approx(side / 4 * 31 / 32, abs=1.0)


def test_the_same_person_is_followed_though_another_is_larger():
    small, large = np.zeros(15, np.float32), np.zeros(15, np.float32)
    small[:4], large[:4] = (10, 10, 30, 40), (100, 10, 40, 50)
    both = np.stack([small, large])
    assert follow(both, None) is not None and follow(both, None)[0] == 100
    assert follow(both, small)[0] == 10
    moved = small.copy()
    moved[0] += 200  # gone: the largest takes over
    assert follow(both, moved)[0] == 100
    assert follow(both[:0], small) is None


def test_a_frame_is_searched_once_and_a_tiny_one_enlarged(monkeypatch):
    seen = []

    class Detector:
        def __init__(self, path):
            pass

        def rows(self, frame):
            seen.append(frame.shape)
            return samples.grey_square_is_a_face(frame)

    monkeypatch.setattr("semo.detect.YuNet", Detector)
    find = FaceFinder(Path("weights"))
    frames = np.zeros((2, 64, 32, 3), np.uint8)
    frames[1, 20:40, 8:24] = 255
    assert len(find(frames[0])) == 0
    first, again = find(frames[1]), find(frames[1].copy())
    np.testing.assert_array_equal(first, again)
    assert seen == [(256, 128, 3)] * 2
    np.testing.assert_allclose(first[0, :4], [8, 20, 16, 20], atol=0.6)  # resampled edges


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return samples.write_random_weights(tmp_path_factory.mktemp("weights"))


def with_stub_detector(kind, files):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{kind.__module__}.face_finder", lambda path: samples.grey_square_is_a_face)
        return kind(files)


@pytest.fixture(scope="module")
def faces(files):
    return with_stub_detector(Faces, files)


def run(extractor, frames, sizes=(1000,), waveform=None):
    session, start = extractor.start(), 0
    for size in [*sizes, len(frames)]:
        if start < len(frames):
            session.add(frames[start : start + size])
            start += size
    return session.finish(waveform)


def test_frames_without_a_face_are_rows_of_nan(faces):
    found = run(faces, samples.frames_with_a_square(6, dark=(0, 3)))
    for name, values in found.items():
        if name != "size":
            assert values.dtype == np.float32 and len(values) == 6
            missing = ~np.isfinite(values.reshape(6, -1))
            assert missing[[0, 3]].all() and not missing[[1, 2, 4, 5]].any(), name
    assert found["size"].tolist() == [64, 64]
    np.testing.assert_allclose(np.linalg.norm(found["identity"][1]), 1, rtol=1e-5)


def test_a_clip_without_any_face_is_all_nan(faces):
    found = run(faces, samples.frames_with_a_square(3, dark=(0, 1, 2)))
    assert found["mesh"].shape == (3, 468, 2) and np.isnan(found["mesh"]).all()


def test_features_do_not_depend_on_how_the_clip_is_cut(faces):
    frames = samples.frames_with_a_square(19, dark=(4,))
    whole, pieces = run(faces, frames), run(faces, frames, sizes=(1, 7, 3))
    for name, values in whole.items():
        np.testing.assert_array_equal(values, pieces[name])


def test_a_crop_the_mesh_network_takes_for_no_face_is_none(faces, monkeypatch):
    monkeypatch.setattr(faces.mesh.backbone2b[4], "bias", torch.nn.Parameter(torch.tensor([-100.0])))
    assert np.isnan(run(faces, samples.frames_with_a_square(2))["boxes"]).all()


def test_windows_without_a_face_give_no_row(files):
    visual = with_stub_detector(LRASDVisual, files)
    frames = samples.frames_with_a_square(33, dark=tuple(range(16, 32)))
    assert run(visual, frames)["windows"].shape == (1, 128)
    np.testing.assert_array_equal(run(visual, frames)["windows"], run(visual, frames, sizes=(5, 20))["windows"])
    assert run(visual, frames[16:32])["windows"].shape == (0, 128)


def test_logits_of_segments_without_a_face_are_nan_and_without_sound_none(files, monkeypatch):
    monkeypatch.setattr("semo.features.lrasd.SEGMENT", 4)
    speaker = with_stub_detector(LRASDSpeaker, files)
    frames = samples.frames_with_a_square(10, dark=(4, 5, 6, 7))
    sound = np.random.default_rng(0).normal(0, 0.1, 10 * 640).astype(np.float32)
    logits = run(speaker, frames, waveform=sound)["logits"]
    assert np.isnan(logits).tolist() == [False] * 4 + [True] * 4 + [False] * 2
    np.testing.assert_array_equal(logits, run(speaker, frames, sizes=(3, 3), waveform=sound)["logits"])
    assert run(speaker, frames)["logits"].shape == (0,)
    assert np.isfinite(run(speaker, frames[:3], waveform=sound[:1])["logits"]).all()  # hardly any sound


@settings(max_examples=10, deadline=None)
@given(st.integers(20, 1300), st.integers(20, 1300))
def test_large_and_small_frames_keep_their_place(height, width):
    """What LR-ASD keeps of a frame is grey, at most 512 pixels long, with the box where it was."""
    from semo.features.lrasd import _grey

    box = np.array([0.25 * width, 0.5 * height, 0.5 * width, 0.25 * height, 0], np.float32)
    grey, kept = _grey(np.zeros((height, width, 3), np.uint8), box)
    assert grey.ndim == 2 and max(grey.shape) <= 512
    expected = np.array([0.25, 0.5, 0.5, 0.25]) * np.tile(grey.shape[::-1], 2)
    np.testing.assert_allclose(kept[:4], expected, atol=0.5)
