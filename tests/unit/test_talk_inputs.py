"""Every rival moved by sound, at `mini` with random weights, on input that is short, silent or of another size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.blocks.talk import TalkMethod
from baselines.checkpoints import save_modules
from baselines.inputs.annotated import annotated
from baselines.method import ClipContext, make_method, method_ids
from semo.clips import Clip
from semo.media import RATE

ROOT = Path(__file__).resolve().parents[2]
TALKERS = [name for name in method_ids() if isinstance(make_method(name), TalkMethod)]


@pytest.fixture(scope="module", params=TALKERS)
def talker(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    player = make_method(request.param)
    torch.manual_seed(0)
    save_modules(player.networks(player.sizes_of["mini"]), folder / "model.safetensors")
    record = {"method": player.weights[0], "size": "mini", "training": {}}
    (folder / "config.json").write_text(json.dumps(record))
    player.load(folder, "mini", "cpu")
    return player


def context(side: int = 64, seed: int = 3) -> ClipContext:
    """With the face of a corpus clip in a frame of `side` pixels."""
    with np.load(ROOT / "data/portraits-mini/street/street-p0010-c0.npz") as arrays:
        truth = dict(arrays)
    clip = Clip("street-p0010-c0", "p", "test", "", 0.0, 125, 25.0, 0, 0, 256, True, "", "CC0-1.0")
    face = annotated(truth, clip, side)[:1]
    return ClipContext("c", seed, annotations={"face": lambda: face})


def portrait(side: int = 64) -> np.ndarray:
    across = np.tile(np.linspace(40, 200, side).astype(np.uint8), (side, 1))
    return np.stack([across, across.T, np.full_like(across, 90)], 2)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "frames", "side"),
    [
        (noise(0.04), 1, 64),
        (np.zeros(round(0.04 * RATE), np.float32), 1, 64),
        (noise(0.2), 5, 96),
        (np.zeros(2 * RATE, np.float32), 3, 64),
        (noise(0.1), 7, 64),
    ],
    ids=["one frame", "one silent frame", "another size", "more sound than frames", "less sound than frames"],
)
def test_as_many_frames_as_asked_in_the_size_of_the_portrait(talker, sound, frames, side):
    made = list(talker.talk(portrait(side), sound, frames, context(side)))
    assert len(made) == frames
    assert all(frame.dtype == np.uint8 and frame.shape == (side, side, 3) for frame in made)


def test_a_seed_gives_the_same_frames_again(talker):
    first, second = (np.stack(list(talker.talk(portrait(), noise(0.6), 15, context()))) for _ in range(2))
    assert np.array_equal(first, second)


def test_what_is_recorded_is_of_simple_values(talker):
    settings = talker.settings({})
    assert json.loads(json.dumps(settings)) == settings
    assert talker.parameters("talk") > 0 and "talk" in talker.tasks
