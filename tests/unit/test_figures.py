"""Figures from a tiny run: drawn when all is there, a sentence where something is missing, equal for equal inputs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image

from semo.evaluate import evaluate
from semo.generate import Job, generate
from semo.media import write_lossless
from semo.objects import write_clips
from semo.report import figures
from semo.report.__main__ import ROOT, main
from semo.report.definitions import ReportError
from semo.report.figures._style import Sheet, difference, fit, name_points
from semo.report.figures.probe import Frames, parameters
from semo.report.figures.talking import loudness
from semo.report.tables import load_inputs
from tests.unit.fake_clips import prepared, video
from tests.unit.fake_results import trained
from tests.unit.test_pipeline import random_pipeline

ABLATIONS = ("ablation-T1D512", "ablation-T1D512-nomask")


class FakePipeline:
    """Repeats the driving frame, darker the more is masked; talks by repeating the portrait."""

    motion_generator = object()

    def encode_motion(self, frames):
        import torch

        return torch.from_numpy(frames.reshape(len(frames), 1, -1)[..., :48].astype(np.float32))

    def reconstruct(self, source, driving, steps, seed=0, mask_ratio=0.0):
        for frame in driving:
            yield (frame * (1 - 0.3 * mask_ratio)).astype(np.uint8)

    def talk(self, source, waveform, frames, steps, motion_steps, seed):
        for _ in range(frames):
            yield source


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """Results with bounds, SeMo and two ablations of fake videos, and two trained stages."""
    results = tmp_path_factory.mktemp("run") / "results"
    clips = prepared(results / "clips" / "fake")
    for task in ("reconstruct", "cross", "talk"):
        for method in ("copy-reference", "codec", "semo", "fomm", *ABLATIONS):
            if task == "talk" and method in ("fomm", *ABLATIONS):
                continue
            made, table = (results / part / task / "fake" for part in ("generated", "metrics"))
            generate(Job(task=task, method=method, plugin="copy-reference", clips=clips, out=made / method))
            evaluate(task, made / method, clips, table / f"{method}.tsv")
    for item in ("fake-p0-c0", "fake-p1-c0"):
        write_lossless(results / "generated/reconstruct/fake/semo" / f"{item}.mkv", video(int(item[6]), 0) + 5)
    for kind in ("one", "two"):
        write_clips(results / "clips" / f"objects-{kind}", kind, 32, 0, {"train": 0, "test": 5})
    trained(results, "semo", "stage1", 100, 0.8)
    trained(results, "ablation-T1D512", "stage1", 100, 0.4)
    trained(results, "fomm", "mini", 100, 0.4)
    return results


@pytest.fixture
def run(made_once, tmp_path, monkeypatch):
    """A copy of that run with fake models; returns the loaded inputs."""
    shutil.copytree(made_once, tmp_path / "results")
    monkeypatch.setattr("semo.report.figures.mask_ratio.load_model", lambda inputs, method: FakePipeline())
    monkeypatch.setattr("semo.report.figures.talking.load_model", lambda inputs, method: FakePipeline())
    monkeypatch.setattr("semo.report.figures.probe.load_model", lambda inputs, method: FakePipeline())
    monkeypatch.setattr("semo.report.figures.probe._clip_sets", lambda inputs: [])
    monkeypatch.setattr("semo.report.figures.probe._frames", _probed_frames)
    monkeypatch.setattr("semo.report.figures.architecture.load_model", lambda inputs, method: _shapes())
    monkeypatch.setattr("semo.report.figures.objects._model", lambda inputs: FakePipeline())
    models = {"after stage2": FakePipeline(), "after reflow": FakePipeline()}
    monkeypatch.setattr("semo.report.figures.sampler_steps._models", lambda inputs: models)
    monkeypatch.setattr("semo.report.figures.sampler_steps._speed", lambda model, frames, steps: 32.0 / steps)
    tiny = random_pipeline()
    monkeypatch.setattr("semo.report.figures.drift._models", lambda inputs: {"mask": tiny, "nomask": tiny})
    return _inputs(tmp_path)


def _shapes() -> SimpleNamespace:
    """A model as the diagram reads it."""
    encoder = SimpleNamespace(motion_tokens=1, motion_dim=512, channels=4, size=32, patch=2, depth=12, width=768)
    generator = SimpleNamespace(previous=8, window=16, audio_dim=384, depth=12, width=768)
    networks = {"motion_encoder": encoder, "decoder": encoder, "motion_generator": generator}
    made = {name: SimpleNamespace(config=config) for name, config in networks.items()}
    return SimpleNamespace(**made, frame_size=256, config=SimpleNamespace(audio="whisper"))


def _probed_frames(sets, split) -> Frames:
    """Three people, two clips each, with motion that their pixels show."""
    rng = np.random.default_rng(0)
    motion = rng.uniform(0, 1, (60, len(parameters())))
    frames = np.zeros((60, 16, 16, 3), np.uint8)
    frames[:, 0, : motion.shape[1], 0] = (255 * motion).astype(np.uint8)
    return Frames(frames, motion, np.arange(60) // 10, np.repeat(["a", "b", "c"], 20).tolist())


def _inputs(tmp_path: Path):
    methods = {name: {"weights": "w", "tasks": []} for name in ("copy-reference", "codec", "fomm", "semo", *ABLATIONS)}
    config = {"seed": 0, "datasets": {"hdtf": "fake"}, "methods": methods}
    config["budgets"] = {"sampler_steps": 1, "drift_steps": 5}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return load_inputs(tmp_path / "config.yaml", tmp_path / "results", ROOT / "reports", ROOT / "none.tsv")


@pytest.fixture
def reasons(monkeypatch):
    """Texts of figures that only say why there is none."""
    said: list[str] = []
    original = figures.message
    monkeypatch.setattr(figures, "message", lambda title, text: said.append(text) or original(title, text))
    return said


def test_every_figure_has_its_file():
    assert {"reconstruction", "mask_ratio", "cross_identity", "talking", "training"} <= set(figures.names())


@pytest.mark.parametrize("name", figures.names())
def test_drawn_and_equal_for_equal_inputs(run, tmp_path, reasons, name):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    figures.draw(name, run, first)
    figures.draw(name, run, second)
    assert reasons == []
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as image:
        assert image.width >= 400 and image.height >= 200
        assert len(np.unique(np.asarray(image.convert("L")))) > 20, "not an empty page"
    assert first.stat().st_size < 600_000


@pytest.mark.parametrize("name", figures.names())
def test_nothing_was_made(tmp_path, reasons, name):
    (tmp_path / "results").mkdir()
    for part in ("tables", "paper"):  # without the results of long runs, which come in git
        (tmp_path / part).symlink_to(ROOT / "reports" / part)
    inputs = replace(_inputs(tmp_path), definitions=tmp_path)
    figures.draw(name, inputs, tmp_path / "a.png")
    assert len(reasons) == 1 and reasons[0].startswith("not run: ")
    assert (tmp_path / "a.png").is_file()


def test_a_failed_method_leaves_its_reason_in_its_place(run, tmp_path, reasons, monkeypatch):
    shown: list[object] = []
    original = Sheet.row
    monkeypatch.setattr(Sheet, "row", lambda self, label, pictures, captions=None: (
        shown.extend(pictures), original(self, label, pictures, captions))[1])  # fmt: skip
    record = tmp_path / "results/generated/reconstruct/fake/semo/run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "unavailable", "reason": "no memory"}))
    figures.draw("reconstruction", run, tmp_path / "a.png")
    assert reasons == [] and "not run: semo: no memory" in [text for text in shown if isinstance(text, str)]


def test_one_missing_model_leaves_the_other_curve(run, tmp_path, reasons, monkeypatch):
    def load(inputs, method):
        if method.endswith("nomask"):
            raise figures.MissingInput(f"{method} is not part of this run")
        return FakePipeline()

    monkeypatch.setattr("semo.report.figures.mask_ratio.load_model", load)
    figures.draw("mask_ratio", run, tmp_path / "a.png")
    assert reasons == []


def test_a_model_without_stage_2(run, tmp_path, reasons, monkeypatch):
    silent = SimpleNamespace(motion_generator=None)
    monkeypatch.setattr("semo.report.figures.talking.load_model", lambda inputs, method: silent)
    figures.draw("talking", run, tmp_path / "a.png")
    assert reasons == ["not run: SeMo has no motion generator"]


@pytest.mark.parametrize(
    ("budgets", "reason"),
    [
        ({"objects_steps": 0}, "not run: no model was trained on moving objects (budgets.objects_steps is 0)"),
        ({"objects_steps": 700}, "not run: no model was trained on moving objects"),
    ],
)
def test_no_model_of_moving_objects(tmp_path, reasons, budgets, reason):
    (tmp_path / "results").mkdir()
    inputs = _inputs(tmp_path)
    inputs.results.config["budgets"] = budgets
    figures.draw("objects", inputs, tmp_path / "a.png")
    assert reasons == [reason]


def test_unknown_figure(run, tmp_path, capsys):
    with pytest.raises(ReportError, match=r"no figure 'table'; known: .*mask_ratio"):
        figures.draw("table", run, tmp_path / "a.png")
    arguments = [
        "--config",
        str(tmp_path / "config.yaml"),
        "--results",
        str(tmp_path),
        "--out",
        str(tmp_path / "b.png"),
    ]
    assert main(["figure", "table", *arguments]) == 1
    assert "no figure 'table'" in capsys.readouterr().err and not (tmp_path / "b.png").exists()


def test_pieces():
    picture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(fit(picture, 8)[::2, ::2], picture) and fit(picture, 6).shape == (6, 6, 3)
    assert difference(picture, picture + 3).max() == 12 and difference(picture, picture).max() == 0
    assert difference(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)).max() == 255
    assert np.allclose(loudness(np.full(1280, 0.5, np.float32), 3), [0.5, 0.5, 0.0])
    sheet = Sheet(2)
    sheet.head(["a", "b"])
    sheet.row("label", [picture, "not run: reason"], ["1.0 dB"])
    drawn = sheet.figure("title", "a note " * 30)
    assert isinstance(drawn, Figure) and len(drawn.axes) == 2


def test_names_of_points_do_not_cover_each_other():
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    points = [("first", 1.0, 1.0), ("second", 1.001, 1.001), ("third", 1.002, 0.999), ("a long name", 2.0, 1.0)]
    for _, x, y in points:
        axes.plot(x, y, "o")
    name_points(axes, points)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [name for name, _, _ in points]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
