"""Figure drift: known answers of its measures, what its title says, one drawn from saved models, why there is none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from semo.report import figures
from semo.report.figures import MissingInput, drift
from semo.report.figures.drift import LATE, OWN, WINDOWS, growth, measure
from semo.report.measurements import Results
from tests.unit.fake_clips import FRAMES, prepared
from tests.unit.test_pipeline import random_pipeline

WINDOW = 8


def test_training_statistics_lie_at_the_training_mean():
    """Standardised training motions: mean 0 and deviation 1 in every window and dimension."""
    motions = np.tile(np.repeat([-1.0, 1.0], WINDOW // 2), WINDOWS)[:, None, None] * np.ones((1, 2, 3))
    from_training, from_own, deviation = measure(motions, np.zeros((2, 3)), WINDOW)
    np.testing.assert_allclose(from_training, 0, atol=1e-12)
    np.testing.assert_allclose(from_own, 0, atol=1e-12)
    np.testing.assert_allclose(deviation, 1)


def test_a_person_far_from_the_training_mean_does_not_drift_where_it_stays():
    own = np.full((1, 4), 3.0)
    from_training, from_own, deviation = measure(np.repeat(own[None], WINDOWS * WINDOW, 0), own, WINDOW)
    np.testing.assert_allclose(from_training, 3)
    assert not from_own.any() and not deviation.any()


def test_a_sequence_that_moves_away_drifts_by_as_much():
    """0.5 more in each dimension with every window."""
    steps = 0.5 * np.repeat(np.arange(WINDOWS), WINDOW)
    found = measure(steps[:, None, None] * np.ones((1, 2, 3)), np.zeros((2, 3)), WINDOW)
    np.testing.assert_allclose(found[OWN], 0.5 * np.arange(WINDOWS))
    np.testing.assert_allclose(growth(found[OWN][None]), 0.5 * np.arange(WINDOWS)[-LATE:].mean())


def test_frames_that_fill_no_window_are_left_out_unless_there_is_none():
    motions = np.random.default_rng(0).normal(size=(2 * WINDOW + 3, 1, 4))
    own = motions.mean(0)
    np.testing.assert_array_equal(measure(motions, own, WINDOW), measure(motions[: 2 * WINDOW], own, WINDOW))
    assert measure(motions[: WINDOW - 2], own, WINDOW).shape == (3, 1)


@pytest.mark.parametrize(
    ("people", "gain", "said"),
    [
        (8, 0.5, "the mask lessens it (+0.50, 95 % interval +0."),
        (8, -0.5, "the mask adds to it (-0.50, 95 % interval -0."),
        (8, 0.0, "no difference beyond chance (+0.00, 95 % interval -0."),
        (3, 0.5, "3 people are too few to tell them apart"),
    ],
)
def test_the_title_claims_what_the_people_show(people: int, gain: float, said: str):
    masked = np.linspace(0.1, 0.3, people)
    wobble = np.resize([0.01, -0.01], people)
    text = drift._finding({"mask": masked, "nomask": masked + gain + wobble - wobble.mean()})
    assert text.startswith(f"Drift over 12 windows: +0.20 with mask, {0.2 + gain:+.2f} without; ") and said in text


@pytest.fixture
def inputs(tmp_path):
    """A finished run with two models of random weights."""
    prepared(tmp_path / "clips/fake", people=6)
    for name in ("mask", "nomask"):
        random_pipeline().save_pretrained(tmp_path / "train/drift" / name / "model")
    budgets = {"drift_steps": 5, "sampler_steps": 1, "motion_sampler_steps": 1}
    roles = {"hdtf": "other", "mead": "fake"}
    config = {"seed": 0, "stages": ["stage1", "stage2"], "budgets": budgets, "enabled_roles": roles, "unseen": "fake"}
    return SimpleNamespace(results=Results(config, tmp_path))


def texts(figure) -> list[str]:
    found = [*figure.texts, *(text for axes in figure.axes for text in [axes.title, *axes.texts])]
    return [" ".join(text.get_text().split()) for text in found]


def test_equal_models_are_drawn_without_a_difference(inputs):
    drawn = drift.figure(inputs)
    said = texts(drawn)
    assert any(text.endswith("no difference beyond chance (+0.00, 95 % interval +0.00 to +0.00)") for text in said)
    assert any("6 test people of fake, unseen by both generators" in text for text in said)
    curves = drawn.axes[1].lines
    np.testing.assert_array_equal(curves[1].get_ydata(), curves[2].get_ydata())
    assert len(curves[1].get_ydata()) == WINDOWS and curves[1].get_ydata().min() > 0
    assert {"portrait (p0)", "window 1", "window 12"} <= set(said)


def test_a_data_set_of_the_training_is_not_called_unseen(inputs):
    inputs.results.config["unseen"] = None
    assert any("of fake, the only data set of this run, so both generators were trained on it" in text
               for text in texts(drift.figure(inputs)))  # fmt: skip


def test_the_sound_is_repeated_and_the_true_frames_are_not(inputs):
    person = drift._people(inputs.results.folder / "clips/fake", WINDOW)[0]
    clips = 2 * FRAMES * drift.SAMPLES
    assert len(person.waveform) == WINDOWS * WINDOW * drift.SAMPLES and len(person.true) == FRAMES
    np.testing.assert_array_equal(person.waveform[clips : 2 * clips], person.waveform[:clips])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"budgets": {"drift_steps": 0}}, "its two models are not part of this run (budgets.drift_steps is 0)"),
        ({"stages": ["stage1"]}, "stage 2 is not part of this run (budgets.stage2_steps)"),
        ({"unseen": "silent"}, "silent has no clip with sound in the split `test`"),
        ({"unseen": "absent"}, "holds no manifest.tsv"),
    ],
)
def test_the_reason_stands_where_it_cannot_be_drawn(inputs, tmp_path, monkeypatch, change, reason):
    prepared(tmp_path / "clips/silent", people=1, sound=False)
    inputs.results.config.update(change)
    said: list[str] = []
    original = figures.message
    monkeypatch.setattr(figures, "message", lambda title, text: said.append(text) or original(title, text))
    figures.draw("drift", inputs, tmp_path / "drift.png")
    assert len(said) == 1 and said[0].startswith("not run: ") and reason in said[0]


def test_a_model_that_is_not_there_is_named(inputs, tmp_path):
    (tmp_path / "train/drift/nomask/model/pipeline.json").unlink()
    with pytest.raises(MissingInput, match="drift/nomask cannot be loaded"):
        drift.figure(inputs)
