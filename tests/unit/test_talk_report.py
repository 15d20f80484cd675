"""Tables 3 and 4 in the report: controls, notes on protocol and training, strips, curves of staged trainings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.text import Text

from semo.generate import Job, generate
from semo.report.__main__ import ROOT
from semo.report.figures import MissingInput, talking_methods, training
from semo.report.measurements import Results
from semo.report.tables import build, load_inputs, page, table_blocks
from tests.unit.fake_clips import prepared
from tests.unit.fake_results import ROLES, config, measured

RIVALS = {
    "sadtalker": ("SadTalker-mini", 25.0, {"preprocess": "resize"}, "annotated"),
    "anitalker": ("AniTalker-mini", 25.0, {"sampler": "DDIM", "steps": 10}, None),
    "hallo2": ("Hallo2-mini", 25.0, {"steps": 8, "guidance": 3.5}, "annotated"),
    "aniportrait": ("AniPortrait-mini", 30.0, {"steps": 8, "guidance": 3.5}, "annotated"),
    "echomimic": ("EchoMimic-mini", 24.0, {"steps": 6, "guidance": 2.5}, "annotated"),
}
CONTROLS = {"other-motion": 2.5, "mean-motion": 0.5}
STAGES = ("portrait", "sound")


def staged(results: Path, rival: str, share: float, steps: int = 600) -> None:
    """Curves of two stages as `baselines.training` leaves them; other sound adds a share to the second's error."""
    for stage in STAGES:
        folder = results / "train" / rival / "mini" / stage
        folder.mkdir(parents=True)
        heard = "x_error\tsound_use", f"4.0\t{4 * share}"
        columns, values = ("psnr_moving", "17.0") if stage == "portrait" else heard
        lines = [f"step\tloss\t{columns}", *(f"{step}\t{1 / step}\t{values}" for step in (steps // 2, steps))]
        (folder / "curve.tsv").write_text("\n".join(lines) + "\n")
        settings = {"stage": "mini", "steps": steps, "batch": 8, "stages": STAGES, "perceptual": "VGG19"}
        (folder / "config.json").write_text(json.dumps(settings))


@pytest.fixture
def talked(tmp_path):
    """A run in which everything talks, with the definitions of the project."""
    results = tmp_path / "results"
    everyone = dict.fromkeys(("copy-reference", "codec", *CONTROLS, "semo", "semo-released", *RIVALS), ("talk",))
    for role in ("hdtf", "dh_facevid"):
        for method in everyone:
            label, fps, settings, faces = RIVALS.get(method, (None, 25.0, {"steps": 1}, None))
            more = {"label": label} if label else {}
            measured(results, "talk", ROLES[role], method, level=CONTROLS.get(method), native_fps=fps,
                     settings=settings | {"trained": "a + b steps"}, faces=faces, **more)  # fmt: skip
    for rival in RIVALS:
        staged(results, rival, 0.004 if rival == "hallo2" else 0.2)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(everyone)))
    return load_inputs(tmp_path / "config.yaml", results, ROOT / "reports", ROOT / "none.tsv")


def section(inputs, number: int) -> str:
    text = page(build(inputs), inputs)
    return text.split(f"## Table {number}.")[1].split("\n## ")[0]


def test_rows_stand_in_the_order_of_the_paper_and_controls_apart(talked):
    table = next(t for t, _ in build(talked) if t.number == 3)
    run = next(block for block in table_blocks(table, talked) if block.source == "run")
    assert [row.id for row in run.rows] == [
        "copy-reference", "codec", "other-motion", "mean-motion",
        "aniportrait", "hallo2", "sadtalker", "anitalker", "echomimic", "semo", "semo-released",
    ]  # fmt: skip
    assert {row.id for row in run.rows if row.kind == "control"} == set(CONTROLS)
    best = {row.id for row in run.rows for cell in row.cells.values() if cell.best}
    assert best and not best & set(CONTROLS), "other-motion has the best value but is not compared"
    assert "| *other-motion* (control) | *" in section(talked, 3)


def test_extra_columns_of_table_3_say_so(talked):
    text = section(talked, 3)
    head = next(line for line in text.splitlines() if line.startswith("| Method |") and "AVC-corpus" in line)
    titles = [re.sub("<br>.*", "", cell).strip() for cell in head.strip("|").split("|")]
    assert titles[-3:] == ["PSNR moving ↑", "AVC-corpus ↑", "AVD-corpus ↓"]
    assert "two columns of sound and lips are ours" in text
    assert "| Method | FID ↓ | FVD ↓ | LPIPS ↓ | PSNR ↑ | SSIM ↑ |" in text, "the paper's block keeps its columns"
    assert "two columns of sound" not in section(talked, 4)


@pytest.mark.parametrize("number", [3, 4])
def test_notes_say_how_talking_videos_were_made(talked, number):
    text = section(talked, number)
    for words in (
        "the portrait is the first frame of the clip, the sound that of the same clip, every frame is scored",
        "run seed 0, method and clip",
        "nearest in time: AniPortrait-mini 30, EchoMimic-mini 24. All others are made at 25",
        "Hallo2-mini: steps 8, guidance 3.5",
        "3D face models, for AniPortrait-mini, Hallo2-mini, SadTalker-mini, EchoMimic-mini: ground truth of the",
        "stand in for the coefficients of a 3D face model",
        "each stage on 4,800 samples (a frame or a window of them)",
        "SadTalker-mini: portrait, sound",
        "Network of their perceptual loss: VGG19",
        "Hallo2-mini hardly listens after so short a training",
        "no better than the better of the two controls in PSNR moving: AniPortrait-mini, Hallo2-mini",
    ):
        assert words in text, words
    assert "AniTalker-mini hardly" not in text and "trained a + b" not in text.split("Stages")[0]


def test_controls_are_no_row_of_tables_they_cannot_be_in(talked):
    assert "other-motion" not in section(talked, 2) and "other-motion" not in section(talked, 1)
    assert "SadTalker-mini" in section(talked, 1)


def test_without_talking_videos_there_is_no_note(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config({"semo": ("reconstruct",)})))
    inputs = load_inputs(tmp_path / "config.yaml", tmp_path / "results", ROOT / "reports", ROOT / "none.tsv")
    assert "Protocol: the portrait" not in section(inputs, 3)


def texts(figure) -> list[str]:
    return [found.get_text() for found in figure.findobj(Text) if found.get_text()]


def test_curves_of_twenty_trainings_stay_apart(talked):
    figure = training.figure(talked)
    panels = {axes.get_title(): axes for axes in figure.axes}
    losses = panels["Talking rivals: loss, each its own"].lines
    assert len(losses) == 10 and len({(line.get_color(), line.get_linestyle()) for line in losses}) == 10
    assert len(panels["Talking rivals: cost of other sound"].lines) == 5
    legend = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert "anitalker: portrait" in legend and "echomimic: sound" in legend
    figure.canvas.draw()
    box, drawn = figure.axes[-1].get_legend().get_window_extent(), figure.bbox
    assert box.width < 0.3 * drawn.width and box.height < drawn.height / 3


def test_use_of_sound_is_a_share_of_the_error(talked):
    runs = {run.run: run for run in talked.results.training if run.stage == "sound"}
    assert runs["hallo2"].last("sound_share") == pytest.approx(0.004)
    assert runs["sadtalker"].last("sound_share") == pytest.approx(0.2)


def test_stages_come_in_the_order_of_training(talked):
    order = [run.stage for run in Results(talked.results.config, talked.results.folder).training if run.run == "hallo2"]
    assert order == list(STAGES)


@pytest.fixture
def filmed(tmp_path):
    """Videos of two data sets with talking rivals, all copies of the portrait, one of them not made."""
    results = tmp_path / "results"
    methods = ("copy-reference", "other-motion", "sadtalker", "hallo2", "semo")
    for dataset in ("one", "two", "three"):
        clips = prepared(results / "clips" / dataset)
        for method in methods if dataset != "three" else ("copy-reference", "semo"):
            if (dataset, method) != ("two", "hallo2"):
                out = results / "generated" / "talk" / dataset / method
                generate(Job("talk", method, "copy-reference", clips, out))
            measured(results, "talk", dataset, method, label=RIVALS.get(method, (method,))[0])
    made = config(dict.fromkeys(methods, ("talk",)))
    made["enabled_roles"] = {"hdtf": "one", "dh_facevid": "two", "mead": "three"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(made))
    return load_inputs(tmp_path / "config.yaml", results, ROOT / "reports", ROOT / "none.tsv")


def test_every_talking_method_is_shown_beside_the_truth(filmed):
    figure = talking_methods.figure(filmed)
    drawn = texts(figure)
    for label in ("true video", "other-motion", "SadTalker-mini", "Hallo2-mini", "SeMo"):
        assert label in drawn, label
    assert "copy-reference" not in drawn
    assert any("one; " in text and " of two" in text and "three" not in text for text in drawn)
    assert any(text.startswith("not run: hallo2") for text in (" ".join(t.split()) for t in drawn))
    columns, rows = 2 * (1 + talking_methods.MOMENTS), 5
    assert len(figure.axes) == columns * rows - 2 * 4 - (talking_methods.MOMENTS - 1)
    positions = np.array([[axes.get_position().x0, axes.get_position().y0] for axes in figure.axes])
    assert len(np.unique(positions.round(4), axis=0)) == len(figure.axes), "no tile covers another"


def test_strips_need_a_table_with_the_data(filmed):
    filmed.results.config["enabled_roles"] = {"mead": "three"}
    with pytest.raises(MissingInput, match="no table of talking methods"):
        talking_methods.figure(filmed)
