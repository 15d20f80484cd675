"""`semo talk` with rivals: frame rates, faces of portraits, options, and input that is short, silent, odd or wrong."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

import baselines.inputs.clips
import baselines.method
from baselines.blocks.talk import TalkMethod, cut_sound, frames_at, resampled
from baselines.inputs.face import Face
from baselines.method import ClipFailure
from semo import media
from semo.errors import DatasetError
from tests.unit.media_samples import astronaut, click, write_wav
from tests.unit.test_cli import refused, run

WINDOW = 12  # frames that the fake method makes at once


class Talker(TalkMethod):
    """Frames of its own rate in windows, each as grey as its number; keeps what it was given."""

    name, mini_name, weights, fps, needs_face = "Talker", "Talker-mini", ("talker",), 30.0, True

    def load(self, weights, size, device):
        self.loaded = weights, size

    def talk(self, source, waveform, frames, context):
        assert waveform.dtype == np.float32 and waveform.ndim == 1
        self.source, self.context, self.made = source, context, 0
        self.face, self.sound = context.annotations["face"](), cut_sound(waveform, frames, media.RATE)
        yield from resampled(self._native(frames_at(self.fps, frames)), self.fps, frames)

    def _native(self, frames):
        for start in range(0, frames, WINDOW):
            assert len(cut_sound(self.sound, start + WINDOW, media.RATE)) == (start + WINDOW) * 640, "padded, not short"
            for i in range(start, start + WINDOW):
                self.made += 1
                yield np.full((32, 32, 3), i % 200, np.uint8)


def face(yaw: float = 0.0) -> Face:
    points = np.random.default_rng(0).uniform(10, 50, (1, 68, 3)).astype(np.float32)
    return Face("annotated", (64, 64), points, np.array([[yaw, 0, 0]], np.float32), np.zeros((1, 25), np.float32))


@pytest.fixture
def talker(monkeypatch):
    player = Talker()
    monkeypatch.setattr(baselines.method, "make_method", lambda name: player)
    return player


@pytest.fixture
def found(monkeypatch):
    """Portraits have a face seen from the front."""
    monkeypatch.setattr(baselines.inputs.clips, "portrait_face", lambda picture: face())


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def speech(path, seconds: float, rate: int = 16000, channels: int = 1, loud: float = 1.0):
    write_wav(path, np.stack([loud * click(seconds, seconds / 2, rate)] * channels), rate)
    return path


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "frames"),
    [(0.04, 16000, 1, 1), (0.1, 16000, 1, 2), (1.0, 48000, 2, 25), (2.0, 44100, 2, 50), (0.5, 8000, 1, 12)],
)
def test_any_sound_gives_frames_of_25_per_second(talker, found, picture, tmp_path, seconds, rate, channels, frames):
    """Sound shorter than a window is padded inside, sound of other rates and channels is converted."""
    sound = speech(tmp_path / "s.wav", seconds, rate, channels)
    result = run("talk", picture, sound, "-o", tmp_path / "o.mkv", "--method", "talker")
    assert result.exit_code == 0, result.stderr
    made = media.read_frames(tmp_path / "o.mkv")[:, 0, 0, 0]
    assert len(made) == frames and len(talker.sound) == frames * 640
    assert list(made) == [int(i * 30 / 25 + 0.5) for i in range(frames)], "the nearest in time of 30 per second"


def test_silence_is_said_and_made(talker, found, picture, tmp_path):
    sound = speech(tmp_path / "s.wav", 0.4, 48000, 2, loud=0.0)
    result = run("talk", picture, sound, "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0 and "is silent" in result.stderr and not talker.sound.any()


def test_options_steps_and_a_folder_of_training(talker, found, picture, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text('{"size": "mini"}')
    arguments = ("talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv", "--seed", 9)
    options = ("--steps", 4, "--option", "guidance=2.5", "--option", "still=true")
    result = run(*arguments, "--model", tmp_path / "model", *options)
    assert result.exit_code == 0, result.stderr
    assert talker.loaded == (tmp_path / "model", "mini") and talker.context.seed == 9
    assert dict(talker.context.options) == {"guidance": 2.5, "still": True, "steps": 4}
    assert run(*arguments, "--model", tmp_path).exit_code == 0 and talker.loaded == (tmp_path, "official")
    refused("not of the form key=value", *arguments, "--option", "guidance")


def test_portrait_without_a_face_is_refused(talker, picture, tmp_path, monkeypatch):
    def nobody(shown):
        raise ClipFailure("no face is found in the portrait; use a picture of one face seen from the front")

    monkeypatch.setattr(baselines.inputs.clips, "portrait_face", nobody)
    refused("face.png: no face is found", "talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv")
    assert not (tmp_path / "o.mkv").exists()


def test_without_networks_that_find_faces_one_sentence_says_so(talker, picture, tmp_path, monkeypatch):
    import baselines.inputs.detected as detection

    def missing(name):
        raise DatasetError("the network yunet is not on this machine: run `semo fetch yunet`")

    detection._extractor.cache_clear()
    monkeypatch.setattr("semo.features.loading.open_network", missing)
    words = "faces can neither be read from annotations nor found in pictures: the network yunet is not on this machine"
    refused(words, "talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.png", "s.wav"]


@pytest.mark.parametrize(("yaw", "noted"), [(12.0, False), (-62.0, True), (45.0, True)])
def test_a_head_seen_from_the_side_is_noted(talker, picture, tmp_path, monkeypatch, yaw, noted):
    monkeypatch.setattr(baselines.inputs.clips, "portrait_face", lambda shown: face(yaw))
    result = run("talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv")
    words = f"turned by {abs(yaw):.0f} degrees; Talker was made for faces seen from the front"
    assert result.exit_code == 0 and (words in result.stderr) == noted


def test_the_largest_of_several_faces_is_used_and_said(talker, found, tmp_path):
    head = astronaut()
    small = np.asarray(Image.fromarray(head).resize((head.shape[1] * 2 // 3, head.shape[0] * 2 // 3)))
    both = np.full((head.shape[0], head.shape[1] + small.shape[1], 3), 128, np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = head
    for name, shown in (("both", both), ("one", head)):
        Image.fromarray(shown).save(tmp_path / f"{name}.png")
    sound, sources = speech(tmp_path / "s.wav", 0.2), []
    for name in ("both", "one"):
        result = run("talk", tmp_path / f"{name}.png", sound, "-o", tmp_path / "o.mkv")
        assert ("2 faces found, the largest is used" in result.stderr) == (name == "both")
        sources.append(talker.source)
    assert abs(len(sources[0]) - len(sources[1])) < 0.1 * len(sources[1]), "the crop of the larger head"


def test_methods_that_take_no_face_look_for_none(talker, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(Talker, "needs_face", False)
    monkeypatch.setattr(Talker, "talk", lambda self, source, sound, frames, context: iter([source] * frames))
    monkeypatch.setattr(baselines.inputs.clips, "portrait_face", lambda shown: pytest.fail("looked for a face"))
    assert run("talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv").exit_code == 0


def test_controls_need_a_clip_of_another_person(picture, tmp_path):
    arguments = ("talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv")
    refused("needs a clip of another person", *arguments, "--method", "other-motion")


@pytest.mark.skipif("SEMO_WEIGHTS" not in os.environ, reason="SEMO_WEIGHTS is not set: no networks that find faces")
def test_the_face_of_a_portrait_is_found_in_its_crop(talker, picture, tmp_path):
    result = run("talk", picture, speech(tmp_path / "s.wav", 0.2), "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0 and "turned by" not in result.stderr
    side = talker.source.shape[0]
    x0, y0, x1, y1 = talker.face.box[0]
    assert talker.face.kind == "detected" and talker.face.size == (side, side) and len(talker.face) == 1
    assert 0 < x0 < x1 < side and 0 < y0 < y1 < side and 0.25 * side < x1 - x0 < 0.8 * side
