"""What the audio-driven rivals share: faces as inputs, frame rates, training data with sound, recipes in stages."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import baselines.training.__main__ as command
from baselines.blocks.talk import frames_at, resampled
from baselines.inputs.annotated import UNITS, annotated
from baselines.inputs.clips import clip_face, first_face, portrait_face
from baselines.inputs.detected import detected
from baselines.inputs.face import Face
from baselines.method import ClipFailure
from baselines.training.stage import optimiser
from baselines.training.talk import TalkBank, TalkStage
from semo.clips import Clip, ClipSet, read_table, write_table
from semo.media import read_frames
from tests.unit.fake_clips import FRAMES, SIZE, prepared

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "data" / "portraits-mini"


def corpus_face(name: str, frame_size: int = 64) -> tuple[Face, dict[str, np.ndarray]]:
    with np.load(CORPUS / name.split("-")[0] / f"{name}.npz") as arrays:
        truth = dict(arrays)
    clip = Clip(name, "p", "test", "", 0.0, 125, 25.0, 0, 0, 256, True, "", "CC0-1.0")
    return annotated(truth, clip, frame_size), truth


def test_annotated_face_lies_in_the_prepared_frame():
    face, truth = corpus_face("street-p0010-c0")
    np.testing.assert_allclose(face.mesh[..., :2], truth["landmarks"].astype(np.float32) / 4, atol=1e-3)
    sides = [0, 2, 3]  # the corpus's box reaches up to the hair, above the landmarks
    np.testing.assert_allclose(face.box[:, sides], truth["face_box"][:, sides].astype(np.float32) / 4, atol=0.05)
    nose, jaw = face.mesh[:, 30, 2], face.mesh[:, [0, 16], 2]
    assert (nose < jaw.min(1)).all()  # z points away from the camera
    turned = face.mesh[:, 0, 2] - face.mesh[:, 16, 2]  # turning right brings the side left in the picture near
    assert np.corrcoef(turned, face.pose[:, 0])[0, 1] < -0.95
    column = UNITS.index("mouth-open")
    expected = truth["units"][:, list(truth["unit_names"]).index("mouth-open")]
    np.testing.assert_array_equal(face.expression[:, column], expected.astype(np.float32))


def test_face_scales_with_its_frame_and_coefficients_do_not_change():
    face, _ = corpus_face("studio-p0020-c0")
    double = face.scaled((128, 128))
    np.testing.assert_allclose(double.box, 2 * face.box, rtol=1e-5)
    np.testing.assert_allclose(double.lips, 2 * face.lips, rtol=1e-5)
    np.testing.assert_allclose(double.coefficients(), face.coefficients(), atol=1e-6)
    coefficients = face.coefficients(64)
    assert coefficients.shape == (len(face), 70)
    np.testing.assert_allclose(np.rad2deg(coefficients[:, 64:67]), face.pose[:, [1, 0, 2]], atol=1e-4)
    assert (np.abs(coefficients[:, 67:69]) < 1).all() and (coefficients[:, 69] < 0).all()


@pytest.mark.skipif("SEMO_WEIGHTS" not in os.environ, reason="SEMO_WEIGHTS is not set: no networks that find faces")
def test_detected_faces_agree_with_annotated_ones():
    name = "street-p0010-c0"
    frames = read_frames(CORPUS / "street" / f"{name}.mp4")[::8]
    found, (true, _) = detected(frames), corpus_face(name, 256)
    true = true[::8]
    assert found.found.all() and found.mesh.shape == (len(frames), 468, 3)
    np.testing.assert_allclose(found.box[:, [0, 2, 3]], true.box[:, [0, 2, 3]], atol=12)  # of 256 pixels
    assert np.abs(found.lips - true.lips).mean() < 6  # the lips are 40 wide
    for axis, least in enumerate((0.95, 0.8, 0.8)):  # yaw, pitch, roll, by eye: two models of a head
        assert np.corrcoef(found.pose[:, axis], true.pose[:, axis])[0, 1] > least
    assert (found.mesh[:, 1, 2] < found.mesh[:, [234, 454], 2].min(1)).all()  # nose before the ears


@pytest.mark.skipif("SEMO_WEIGHTS" not in os.environ, reason="SEMO_WEIGHTS is not set: no networks that find faces")
def test_portrait_without_a_face_is_refused():
    with pytest.raises(ClipFailure, match="no face is found in the portrait"):
        portrait_face(np.full((128, 128, 3), 90, np.uint8))


def test_unknown_morph_is_named():
    _, truth = corpus_face("studio-p0020-c0")
    truth["unit_names"] = np.array(["third-eye", *truth["unit_names"][1:]])
    clip = Clip("c", "p", "test", "", 0.0, 125, 25.0, 0, 0, 256, True, "", "CC0-1.0")
    with pytest.raises(ValueError, match="third-eye"):
        annotated(truth, clip, 64)


def test_wrong_number_of_points_is_refused():
    with pytest.raises(ValueError, match="no face mesh of 5 points"):
        Face("detected", (8, 8), np.zeros((1, 5, 3)), np.zeros((1, 3)), np.zeros((1, 10)))


@given(fps=st.sampled_from([12.0, 24.0, 25.0, 30.0, 60.0]), frames=st.integers(1, 200))
def test_resampling_takes_the_nearest_frame(fps, frames):
    taken = []

    def native():
        for i in range(10**6):
            taken.append(i)
            yield np.full((1, 1, 3), i, np.int32)

    made = [int(frame[0, 0, 0]) for frame in resampled(native(), fps, frames)]
    assert len(made) == frames and len(taken) == frames_at(fps, frames)
    for i, native_frame in enumerate(made):
        assert abs(native_frame / fps - i / 25) <= 0.5 / fps + 1e-9


def test_resampling_says_when_frames_are_missing():
    with pytest.raises(ValueError, match="only 3 frames at 30 per second, 12 are needed"):
        list(resampled(iter([np.zeros(1)] * 3), 30, 10))


@pytest.fixture
def clips(tmp_path) -> Path:
    """Fake clips of training people, with the ground truth of a corpus clip."""
    folder = prepared(tmp_path / "clips")
    with np.load(CORPUS / "studio" / "studio-p0020-c0.npz") as arrays:
        truth = dict(arrays)
    rows = [replace(clip, split="train" if clip.identity == "p0" else "test", size=256)
            for clip in read_table(folder / "manifest.tsv", Clip)]  # fmt: skip
    write_table(folder / "manifest.tsv", Clip, rows)
    (folder / "truth").mkdir()
    for clip in rows:
        np.savez(folder / "truth" / f"{clip.clip}.npz", **truth)
    return folder


def test_a_method_gets_the_face_of_the_first_frame_alone(clips):
    whole = clip_face(ClipSet(clips), "fake-p1-c0")
    first = first_face(ClipSet(clips), "fake-p1-c0")()
    assert len(whole) == FRAMES and len(first) == 1
    np.testing.assert_array_equal(first.mesh, whole.mesh[:1])


def test_bank_cuts_sound_beside_frames(clips):
    bank = TalkBank.read([clips], with_faces=True)
    assert len(bank) == len(bank.faces) == 2 and bank.frames.names == ["fake-p0-c0", "fake-p0-c1"]
    whole = bank.waveforms[1]
    assert len(whole) == FRAMES * 640
    torch.testing.assert_close(bank.sound(1, 2, 3), whole[2 * 640 : 5 * 640])
    padded = bank.sound(1, 0, FRAMES, before=2, after=3)
    assert len(padded) == (FRAMES + 5) * 640 and not padded[: 2 * 640].any() and not padded[-3 * 640 :].any()
    assert not bank.sound(1, FRAMES + 5, 2).any() and len(bank.sound(1, FRAMES + 5, 2)) == 2 * 640
    assert not bank.sound(1, -9, 2).any() and len(bank.sound(1, -9, 2)) == 2 * 640


def test_bank_without_sound_is_refused(tmp_path):
    folder = prepared(tmp_path / "silent", sound=False)
    with pytest.raises(ValueError, match="no clip of the split 'train' with sound"):
        TalkBank.read([folder], with_faces=False)


@dataclass
class Numbers:
    values: torch.Tensor


class First(TalkStage):
    """Learns the mean of random numbers with one of two networks."""

    name = "first"
    optimiser = optimiser(lr=1e-2)
    trains = ("one",)

    def batch(self, step, progress, rank=0):
        return Numbers(torch.randn(8, 4, generator=self.generator(step, rank))), ["fake"]

    def losses(self, batch):
        return {"square": (self.networks[self.trains[0]](batch.values) - 1).square().mean()}

    def report(self):
        return {"trained": float(self.networks[self.trains[0]].weight.detach().abs().mean())}


class Second(First):
    name = "second"
    trains = ("two",)

    def prepare(self):
        self.data.kept["prepared"] = [self.networks["one"].weight.clone()]


@pytest.fixture
def recipe(monkeypatch):
    class Config:
        frame_size = SIZE

    class Module:
        STAGES = (First, Second)
        SIZES = {"toy": Config()}

        @staticmethod
        def build(config):
            return {"one": nn.Sequential(nn.Linear(4, 4))[0], "two": nn.Linear(4, 4)}

    monkeypatch.setattr(command, "part", lambda method, name: Module)
    monkeypatch.setattr(command, "trainable", lambda: ["toy-talker"])
    monkeypatch.setattr(command, "feature_maps", lambda device: (lambda x: [x], "none"))


def train_toy(clips: Path, out: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    command.main(["toy-talker", "--size", "toy", "--steps", "4", "--clips", str(clips), "--out", str(out)])
    return load_file(out / "model" / "model.safetensors")


def test_stages_train_their_networks_in_turn(clips, tmp_path, recipe):
    torch.manual_seed(0)
    start = {"one": nn.Linear(4, 4).weight, "two": nn.Linear(4, 4).weight}
    made = train_toy(clips, tmp_path / "run")
    for name, weight in start.items():
        assert not torch.equal(made[f"{name}.weight"], weight)
    record = json.loads((tmp_path / "run/model/config.json").read_text())["training"]
    assert record["stages"] == ["first", "second"] and record["steps"] == 4
    for stage in ("first", "second"):
        assert (tmp_path / "run" / stage / "curve.tsv").is_file()
    assert not list((tmp_path / "run").rglob("checkpoint.safetensors"))
    assert not list((tmp_path / "run").rglob("networks.safetensors"))


def test_a_run_stopped_in_its_second_stage_goes_on_there(clips, tmp_path, recipe, monkeypatch):
    whole = train_toy(clips, tmp_path / "whole")
    trained: list[str] = []

    def stopping(stage, *rest):
        if stage.name == "second" and "stopped" not in trained:
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append(stage.name)
        return train(stage, *rest)

    train = command.train
    monkeypatch.setattr(command, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        train_toy(clips, tmp_path / "parts")
    resumed = train_toy(clips, tmp_path / "parts")
    assert trained == ["first", "stopped", "second"]
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_frozen_networks_stay_in_evaluation_mode(clips):
    data = TalkBank.read([clips], with_faces=False)
    networks = {"one": nn.Linear(4, 4), "two": nn.Sequential(nn.Dropout())}
    stage = First(networks, data, lambda x: [x], seed=0)
    assert stage.networks["one"].training and not stage.networks["two"].training
    assert [name for name, p in stage.named_parameters() if p.requires_grad] == [
        "networks.one.weight", "networks.one.bias"
    ]  # fmt: skip
