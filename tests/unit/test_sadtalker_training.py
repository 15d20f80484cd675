"""The recipe of SadTalker-mini: gradients, batches, and that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from baselines.sadtalker.config import SIZES, build
from baselines.sadtalker.training import STAGES, Renderer, Sound
from baselines.training.talk import TalkBank
from semo.train.data import FrameBank
from tests.unit.sadtalker_samples import face, speech

pytestmark = pytest.mark.usefixtures("one_thread")


def bank(clips: int = 3, frames: int = 40) -> TalkBank:
    draw = np.random.default_rng(0)
    pictures = {f"c{i}": draw.integers(0, 255, (frames, 64, 64, 3), np.uint8) for i in range(clips)}
    waves = [torch.from_numpy(speech(frames / 25, i)) for i in range(clips)]
    return TalkBank(FrameBank([pictures]), waves, [face(frames, i) for i in range(clips)])


def stage(kind: Any, seed: int = 0, order: int = 0) -> Any:
    torch.manual_seed(0)
    made = kind(build(SIZES["mini"]), bank(), lambda x: [x], seed, order)
    made.prepare()
    return made


@pytest.mark.parametrize("kind", STAGES)
def test_gradients_reach_every_parameter_a_stage_trains(kind: Any) -> None:
    training = stage(kind)
    batch, names = training.batch(0, 0.0)
    assert len(names) == 8
    losses = training.losses(batch)
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    for name, parameter in training.named_parameters():
        trained = name.split(".")[1] in kind.trains
        assert parameter.requires_grad == trained
        if trained and not name.endswith("kp.bias"):  # softmax over the volume does not see a bias
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", STAGES)
def test_batches_are_functions_of_seed_and_step(kind: Any) -> None:
    training = stage(kind)
    first, names = training.batch(4, 0.0)
    again, others = stage(kind).batch(4, 0.0)
    assert names == others
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(first).items())
    different, _ = stage(kind, seed=1).batch(4, 0.0)
    assert any(not torch.equal(value, getattr(different, name)) for name, value in vars(first).items())


def test_a_window_pairs_sound_with_coefficients() -> None:
    training = stage(Sound)
    batch, names = training.batch(0, 0.0)
    assert batch.mel.shape == (8, 17, 1, 80, 16) and batch.coefficients.shape == (8, 17, 70)
    clip = training.data.frames.names.index(names[0])
    found = training.data.kept["coefficients"][clip]
    (start,) = [s for s in range(len(found) - 16) if torch.equal(found[s : s + 17], batch.coefficients[0])]
    torch.testing.assert_close(training.data.kept["mel"][clip][:, start : start + 17][0], batch.mel[0])


def test_training_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps on one batch lower every stage's loss; the figures of the curve are finite."""
    for kind in (Renderer, Sound):
        training = stage(kind)
        batch, _ = training.batch(0, 0.0)
        optimiser = torch.optim.Adam((p for p in training.parameters() if p.requires_grad), lr=1e-3)
        values = []
        for _ in range(6):
            optimiser.zero_grad()
            loss = training(batch)
            loss.backward()
            optimiser.step()
            values.append(float(loss.detach()))
        assert values[-1] < values[0]
        training.eval()
        assert all(np.isfinite(value) for value in training.report().values())
