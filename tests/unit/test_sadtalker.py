"""SadTalker: mel, blinks, coefficients of any length, crops, keypoints, the fast renderer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from baselines.inputs.face import Face
from baselines.sadtalker.audio2pose import Audio2Pose
from baselines.sadtalker.blinks import blinks
from baselines.sadtalker.config import SIZES
from baselines.sadtalker.crop import PIXELS_PER_UNIT, STANDARD, Square, aligned, face_square, five_points
from baselines.sadtalker.face_recon import SIZES as RECON_SIZES
from baselines.sadtalker.face_recon import motion_part
from baselines.sadtalker.generate import smoothed
from baselines.sadtalker.keypoints import place
from baselines.sadtalker.mapping import windows
from baselines.sadtalker.mel import mel_patches, mel_spectrogram
from baselines.sadtalker.renderer import FastRenderer
from tests.parity import fill
from tests.parity.check import FIXTURES, fill_modules, make_inputs, read
from tests.parity.modes.sadtalker import MODES
from tests.unit.sadtalker_samples import RATE, networks, portrait, speech

pytestmark = pytest.mark.usefixtures("one_thread")


LIBROSA = {  # column -> every 8th bin from the 3rd: librosa 0.11 on `chirp`, settings as in the module's docstring
    0: [0.6790, -0.9395, -1.5431, -1.2579, -1.6042, -1.0529, -0.8684, -0.4255, -0.5830, -0.1900],
    5: [-1.8115, 1.4174, -1.1596, -1.0925, -0.7057, -0.8474, -0.7455, -0.3964, -0.1668, -0.2708],
    17: [-2.5142, -1.4135, -1.8820, 2.1336, -1.3045, -0.5358, -0.6398, -0.8473, -0.1957, -0.1594],
    24: [-4.0] * 10,
    32: [-0.7817, -0.5605, -0.5749, -0.2994, 0.0365, 0.8138, -0.2492, -0.5498, -0.6071, -0.1122],
}


def chirp() -> np.ndarray:
    t = np.arange(6400) / RATE
    noise = np.random.default_rng(0).standard_normal(6400)
    sound = (0.3 * np.sin(2 * np.pi * (200 + 2000 * t) * t) + 0.02 * noise).astype(np.float32)
    sound[4000:5200] = 0
    return sound


def test_mel_is_that_of_librosa() -> None:
    made = mel_spectrogram(chirp())
    assert made.shape == (33, 80) and made.dtype == np.float32
    for column, expected in LIBROSA.items():
        np.testing.assert_allclose(made[column, 3::8], expected, atol=1e-4)


def test_mel_does_not_depend_on_how_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mel_spectrogram(chirp())
    monkeypatch.setattr("baselines.sadtalker.mel.BLOCK", 7)
    np.testing.assert_allclose(mel_spectrogram(chirp()), whole, atol=1e-6)
    assert (mel_spectrogram(np.zeros(3200, np.float32)) == -4).all()
    assert mel_spectrogram(np.zeros(0, np.float32)).shape == (1, 80)


def test_patches_follow_the_frames() -> None:
    sound = speech(2.0)
    mel, patches = mel_spectrogram(sound), mel_patches(sound, 50)
    assert patches.shape == (1, 50, 1, 80, 16)
    first = {0: -6, 1: -3, 2: 0, 3: 3, 7: 16, 12: 32, 47: 144, 49: 150}  # int(80 (i - 2) / 25)
    for frame, start in first.items():
        columns = np.clip(np.arange(start, start + 16), 0, len(mel) - 1)
        np.testing.assert_array_equal(patches[:, frame : frame + 1][0, 0, 0], mel[columns].T)
    torch.testing.assert_close(patches[:, 10:20], patches[:, :][:, 10:20])
    assert patches[:, 60:].shape == (1, 0, 1, 80, 16)


@given(st.integers(1, 400), st.integers(0, 2**31 - 1))
def test_blinks_are_seeded_and_apart(frames: int, seed: int) -> None:
    made = blinks(frames, seed)
    assert made.shape == (frames, 1) and made.dtype == np.float32
    np.testing.assert_array_equal(made, blinks(frames, seed))
    peaks = np.flatnonzero(made[:, 0] == 1)
    assert (np.diff(peaks) >= 15).all() and (frames > 20 or not len(peaks)) and (frames < 200 or len(peaks))


def test_expression_in_chunks_is_that_of_all_frames() -> None:
    network = networks(dtype=torch.float64)["audio2exp"]
    mel, closure = torch.randn(2, 23, 1, 80, 16).double(), torch.rand(2, 23, 1).double()
    reference = torch.randn(2, 1, 64).double()
    whole = network(mel, reference, closure)
    for chunk in (1, 10, 50):
        torch.testing.assert_close(network.in_chunks(mel, reference, closure, chunk), whole)


@pytest.fixture(scope="module")
def pose_network() -> Audio2Pose:
    """With sequences as long as the published ones."""
    return networks(replace(SIZES["mini"], pose_frames=32), torch.float64)["audio2pose"]


@torch.inference_mode()
@pytest.mark.parametrize("frames", (1, 2, 10, 33, 34, 65, 80))
def test_pose_of_any_length(pose_network: Audio2Pose, frames: int) -> None:
    """Every chunk is the decoder's on 32 frames; the rest comes from the last 32, or from repeated sound."""
    generator = torch.Generator().manual_seed(frames)
    mel = torch.randn(1, frames, 1, 80, 16, generator=generator).double()
    z = torch.randn(3, 1, pose_network.latent, generator=generator).double()
    pose, style = torch.randn(1, 6, generator=generator).double(), 5
    made = pose_network(pose, mel, z, style)
    assert made.shape == (1, frames, 6) and not made[:, 0].any()

    def chunk(i: int, sound: Tensor) -> Tensor:
        return pose_network.netG.decoder(z[i], torch.tensor([style]), pose, pose_network.embed(sound))

    full, rest = divmod(frames - 1, 32)
    expected = [torch.zeros(1, 1, 6).double()] + [chunk(i, mel[:, 1 + 32 * i : 33 + 32 * i]) for i in range(full)]
    if rest:
        last = mel[:, 1:][:, -32:]
        padded = torch.cat([last[:, :1].expand(-1, 32 - last.shape[1], -1, -1, -1), last], dim=1)
        expected.append(chunk(full, padded)[:, -rest:])
    torch.testing.assert_close(made, torch.cat(expected, dim=1))


def test_pose_refuses_what_it_has_not(pose_network: Audio2Pose) -> None:
    mel, z = torch.zeros(1, 40, 1, 80, 16).double(), torch.zeros(1, 1, pose_network.latent).double()
    with pytest.raises(ValueError, match="pose style 46 is unknown"):
        pose_network(torch.zeros(1, 6).double(), mel, z, 46)
    with pytest.raises(ValueError, match="40 frames take 2 latents, not 1"):
        pose_network(torch.zeros(1, 6).double(), mel, z)


def test_windows_repeat_the_ends() -> None:
    made = windows(torch.arange(20.0)[:, None], torch.tensor([0, 10, 19]))
    assert made.shape == (3, 1, 27)
    assert made[0, 0].tolist() == [0] * 13 + list(range(14))
    assert made[1, 0].tolist() == [0] * 3 + list(range(20)) + [19] * 4
    assert made[2, 0].tolist() == list(range(6, 20)) + [19] * 13


@settings(deadline=None)
@given(st.integers(1, 40))
def test_smoothing_keeps_parabolas(frames: int) -> None:
    t = torch.arange(frames, dtype=torch.float64)[:, None]
    poses = 1 + 0.3 * t - 0.02 * t**2 * torch.arange(6)
    torch.testing.assert_close(smoothed(poses), poses)


def test_a_mean_face_is_aligned_to_its_place() -> None:
    """The mean face, 80 px per unit, around (150, 140): the square's centre is there, its side 224 / 102 units."""
    points = STANDARD[:, :2] * (80, -80) + (150, 140)
    picture = np.zeros((300, 320, 3), np.uint8)
    picture[130:151, 140:161] = 255
    made = aligned(picture, points)
    assert made.shape == (224, 224, 3)
    rows, columns = np.nonzero(made[..., 0] > 127)
    scale = PIXELS_PER_UNIT / 80
    assert abs(rows.mean() - 111.5) < 1.5 and abs(columns.mean() - 111.5) < 1.5
    assert abs(np.ptp(rows) + 1 - 21 * scale) < 2
    assert aligned(picture[:, 100:], points - (100, 0)).shape == (224, 224, 3)  # reaches beyond the picture


def test_the_faces_square_holds_the_face_and_pastes_back() -> None:
    points = STANDARD[:, :2] * (100, -100) + (120, 110)
    square = face_square(points)
    assert square.x < points[:, 0].min() and square.x + square.side > points[:, 0].max()
    assert 3 < square.side / (points[1, 0] - points[0, 0]) < 5  # of the distance of the eyes
    picture = portrait((200, 260))
    back = square.paste(picture, square.cut(picture, square.side))
    np.testing.assert_array_equal(back, picture)
    white = Square(-10, 150, 80).paste(picture, np.full((64, 64, 3), 255, np.uint8))
    assert (white[185, 20] == 255).all()
    assert (white[:150] == picture[:150]).all() and (white[:, 70:] == picture[:, 70:]).all()


def test_both_kinds_of_mesh_give_five_points() -> None:
    for count, points in ((68, (36, 39, 42, 45, 30, 48, 54)), (468, (33, 133, 362, 263, 1, 61, 291))):
        mesh = np.zeros((1, count, 3), np.float32)
        mesh[0, list(points), 0] = (1, 3, 5, 7, 9, 11, 13)
        kind = Face("detected", (64, 64), mesh, np.zeros((1, 3)), np.zeros((1, 10)))
        assert five_points(kind)[:, 0].tolist() == [2, 6, 9, 11, 13]


def test_the_motion_part_of_coefficients() -> None:
    numbered = torch.cat([torch.full((1, size), float(i)) for i, size in enumerate(RECON_SIZES)], dim=1)
    assert numbered.shape == (1, 257)
    assert motion_part(numbered)[0].tolist() == [1.0] * 64 + [3.0] * 3 + [5.0] * 2 + [6.0]


def still_motion(batch: int = 1, degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> dict[str, Tensor]:
    """Mapping outputs with certain pitch, yaw, roll, each a multiple of 3 degrees, no shift and no expression."""
    motion = {"t": torch.zeros(batch, 3).double(), "exp": torch.zeros(batch, 15).double()}
    for name, angle in zip(("pitch", "yaw", "roll"), degrees, strict=True):
        motion[name] = torch.full((batch, 66), -1e4).double()
        motion[name][:, round((angle + 99) / 3)] = 1e4
    return motion


def test_keypoints_turn_shift_and_deform() -> None:
    points = torch.rand(1, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(place(points, still_motion()), points)
    angle = 90 / 180 * 3.14
    turned = place(points, still_motion(), replaced={"yaw": 90.0})  # M = R_y, a point p goes to M p
    x, y, z = points.unbind(-1)
    expected = torch.stack([x * np.cos(angle) + z * np.sin(angle), y, z * np.cos(angle) - x * np.sin(angle)], dim=-1)
    torch.testing.assert_close(turned, expected)
    torch.testing.assert_close(turned, place(points, still_motion(degrees=(0, 90, 0))))
    moved = still_motion()
    moved["t"] += torch.tensor([5.0, 0.25, 5.0])
    moved["exp"] += 0.5
    torch.testing.assert_close(place(points, moved), points + torch.tensor([0.5, 0.75, 0.5]).double())


@torch.inference_mode()
def test_modes_honour_their_parameters() -> None:
    """What the recorded sidecar does not ask for: another style, fewer frames, replaced angles, the other sampling."""
    modules, corners = networks(replace(SIZES["mini"], pose_frames=32)), {"grid_sample": None, "interpolate": None}

    def run(mode: str, uses: dict[str, Any], params: dict[str, Any], **inputs: Tensor) -> dict[str, Tensor]:
        return MODES[mode](modules, inputs, uses, params, corners)

    mel, z, reference = torch.randn(1, 40, 1, 80, 16), torch.randn(2, 1, 16), torch.randn(1, 1, 70)
    params = {"style_class": 3, "num_frames": 40, "seq_len": 32}
    poses = run("audio2pose", {}, params, coeff_ref=reference, mel=mel, z=z)
    torch.testing.assert_close(poses["pose_pred"] - poses["pose_motion_pred"], reference[..., -6:].expand(1, 40, 6))
    other = run("audio2pose", {}, params | {"style_class": 4}, coeff_ref=reference, mel=mel, z=z)
    assert not torch.allclose(other["pose_pred"], poses["pose_pred"])
    short = run("audio2pose", {}, params | {"num_frames": 7}, coeff_ref=reference, mel=mel, z=z)
    assert short["pose_pred"].shape == (1, 7, 6)
    bins = {"bins": 66, "degrees_per_bin": 3.0, "degree_offset": -99.0, "pi": 3.14}
    bins |= {"yaw_in": None, "pitch_in": None, "roll_in": None}
    uses = {"canonical": run("canonical", {}, {}, image=torch.rand(1, 3, 64, 64))}
    uses["mapping"] = run("mapping", {}, {}, coeff=torch.randn(1, 70, 27))
    source, yawed, exact = (
        run("transform", uses, bins | change) for change in ({}, {"yaw_in": 20.0}, {"pi": 3.14159265})
    )
    assert not torch.allclose(source["value"], yawed["value"]) and not torch.equal(source["value"], exact["value"])
    with pytest.raises(ValueError, match="counts 67 bins"):
        run("transform", uses, bins | {"bins": 67})
    made = []
    for corners["grid_sample"] in (False, True):
        made.append(run("render", {"kp_source": source, "kp_driving": yawed}, {}, source=torch.rand(1, 3, 64, 64)))
    assert not torch.allclose(made[0]["image"], made[1]["image"])


def test_fast_renderer_equals_the_original() -> None:
    """Within the tolerance recorded for the plain networks."""
    golden = read(FIXTURES / "sadtalker.json")
    meta: dict[str, Any] = golden.meta
    meta["modules"] = {"generator": meta["modules"]["generator"]}
    modules = golden.modes.build(meta)
    assert fill_modules(modules, meta) == []
    inputs, generator = make_inputs(meta, []), modules["generator"]
    kp_source, kp_driving = (
        torch.from_numpy(golden.arrays[name]).view(1, 15, 3) for name in ("kp.source", "kp.target0")
    )
    with torch.inference_mode():
        made = FastRenderer(generator, 256)(generator.volume(inputs["source"]), kp_source, kp_driving)
    outputs = {
        "image": made.image,
        "mask": made.warped.mask,
        "deformation": made.warped.deformation,
        "occlusion_map": made.warped.occlusion,
    }
    outputs = {f"render.target0.{name}": value for name, value in outputs.items()}
    assert [row for row in fill.compare(outputs, golden.arrays, meta, only=list(outputs)) if not row["ok"]] == []


@torch.inference_mode()
def test_fast_renderer_is_the_renderer_for_any_batch() -> None:
    modules = networks(dtype=torch.float64)
    generator = modules["generator"]
    volume = generator.volume(torch.rand(1, 3, 64, 64, dtype=torch.float64))
    source, driving = torch.rand(4, 8, 3, dtype=torch.float64).split((1, 3))
    fast = FastRenderer(generator, 64)
    made = fast(volume, source, driving).image
    torch.testing.assert_close(made, generator(volume, source, driving).image, rtol=0, atol=1e-8)
    alone = [fast(volume, source, one).image for one in driving.split(1)]
    torch.testing.assert_close(made, torch.cat(alone), rtol=0, atol=1e-10)
    assert 0 <= made.min() and made.max() <= 1
