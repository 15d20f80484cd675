"""The user study's kit: a balanced, blind design, a page, and answers counted as they were given."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from semo.cli import app
from semo.errors import DatasetError
from semo.media import read_frames, write_lossless
from semo.report.study import study_lines
from semo.study import DIMENSIONS
from semo.study.build import Plan, build, generated
from semo.study.design import BROKEN, make_forms
from semo.study.tally import krippendorff_alpha, tally

METHODS = ("ours", "theirs", "a<b>&c")
CLIPS = ("clip-0", "clip-1")


@given(methods=st.integers(2, 5), clips=st.integers(1, 6), forms=st.integers(1, 6), per_form=st.integers(1, 15),
       seed=st.integers(0, 9))  # fmt: skip
def test_design_is_balanced(methods, clips, forms, per_form, seed):
    names = [f"m{i}" for i in range(methods)]
    made = make_forms(names, [f"c{i}" for i in range(clips)], forms, per_form, 1, seed)
    assert [len(form) for form in made] == [per_form + 1] * forms
    trials = [trial for form in made for trial in form if not trial.check]
    pairs = Counter(frozenset((t.left, t.right)) for t in trials)
    counts = [pairs.get(frozenset((a, b)), 0) for i, a in enumerate(names) for b in names[i + 1 :]]
    assert max(counts) - min(counts) <= 1 and all(t.left != t.right for t in trials)
    for pair in pairs:
        sides = Counter(t.left for t in trials if {t.left, t.right} == pair)
        assert max(sides.values()) - min(sides.get(name, 0) for name in pair) <= 1
        shown = Counter(t.clip for t in trials if {t.left, t.right} == pair)
        assert max(shown.values()) - min(shown.values()) <= 1
    assert made == make_forms(names[::-1], [f"c{i}" for i in range(clips)], forms, per_form, 1, seed)


@pytest.mark.parametrize(
    ("methods", "clips", "per_form"), [(["a"], ["c"], 4), (["a", "b"], [], 4), (["a", "b"], ["c"], 0)]
)
def test_impossible_designs_are_refused(methods, clips, per_form):
    with pytest.raises(ValueError, match="a study"):
        make_forms(methods, clips, 1, per_form, 1, 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Small videos of three methods, each with a colour of its own."""
    root = tmp_path_factory.mktemp("results")
    sound = (0.3 * np.sin(np.arange(6400) / 9)).astype(np.float32)
    for i, method in enumerate(METHODS):
        folder = root / "generated" / "talk" / "data" / method
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        for clip in CLIPS:
            write_lossless(folder / f"{clip}.mkv", np.full((10, 32, 32, 3), 60 + 60 * i, np.uint8), audio=sound)
    return root


@pytest.fixture(scope="module")
def made(results, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("study") / "page"
    page, key = build(Plan(generated(results, "talk", "data", METHODS), forms=3, per_form=4, checks=1), out)
    return page, json.loads(key.read_text())


def trials_of(page: Path) -> dict:
    return json.loads((page / "trials.js").read_text().removeprefix("window.STUDY = ").rstrip(";\n"))


def test_page_is_complete_and_tells_nothing(made):
    page, key = made
    study = trials_of(page)
    shown = {pair[side] for form in study["forms"] for pair in form for side in ("left", "right")}
    assert shown == {path.stem for path in (page / "videos").iterdir()} == set(key["videos"])
    assert {path.name for path in page.iterdir()} == {"index.html", "study.css", "study.js", "trials.js", "videos"}
    text = "".join(path.read_text() for path in page.iterdir() if path.is_file())
    assert not any(name in text for name in (*CLIPS, "theirs", "a<b>", BROKEN))
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert read_frames(next((page / "videos").iterdir())).shape[1:] == (256, 256, 3)


def test_same_seed_makes_the_same_page_and_a_folder_is_never_overwritten(results, made, tmp_path):
    page, key = made
    plan = Plan(generated(results, "talk", "data", METHODS), forms=3, per_form=4, checks=1)
    again, _ = build(plan, tmp_path / "page")
    assert trials_of(again) == trials_of(page)
    with pytest.raises(DatasetError, match="exists; name another folder"):
        build(plan, again)


def test_missing_videos_are_named(results, tmp_path):
    with pytest.raises(DatasetError, match="has no videos of nobody; there are"):
        generated(results, "talk", "data", ["ours", "nobody"])
    with pytest.raises(DatasetError, match="no videos of the task talk on other"):
        generated(results, "talk", "other", ["ours"])
    silent = tmp_path / "silent"
    write_lossless(silent / "clip-0.mkv", np.zeros((5, 32, 32, 3), np.uint8))
    with pytest.raises(DatasetError, match="no clip with sound"):
        build(Plan({"a": silent, "b": silent}), tmp_path / "page")
    assert not (tmp_path / "page").exists() and not list(tmp_path.glob(".page*"))


def answered(page: Path, key: dict, form: int, rater: str, prefer, upto: int | None = None) -> dict:
    """Answers as the page saves them; `prefer` chooses the winner of a trial, a dict of left and right."""
    answers = []
    shown = trials_of(page)["forms"][form - 1]
    for index, (trial, pair) in enumerate(zip(key["forms"][form - 1], shown, strict=True)):
        for dimension in DIMENSIONS if upto is None or index < upto else ():
            winner = prefer(trial, dimension)
            choice = "left" if trial["left"] == winner else "right"
            answers.append({"trial": index, **pair, "dimension": dimension, "choice": choice, "seconds": 3.0})
    return {"version": 1, "study": key["study"], "form": form, "rater": rater, "answers": answers}


def best(trial: dict, dimension: str) -> str:
    """Ours before theirs before the third; never the spoilt one."""
    return min((trial["left"], trial["right"]), key=lambda m: [*METHODS, BROKEN].index(m))


@pytest.fixture
def counted(made, tmp_path):
    page, key = made
    (tmp_path / "key.json").write_text(json.dumps(key))

    def count(*contents: dict):
        files = []
        for i, content in enumerate(contents):
            files.append(tmp_path / f"answers-{i}.json")
            files[-1].write_text(json.dumps(content))
        return tally(files, tmp_path / "key.json")

    return page, key, count


def test_a_method_that_always_wins_has_rate_one(counted):
    page, key, count = counted
    result = count(*(answered(page, key, form, f"rater{form}", best) for form in (1, 2, 3)))
    assert result.raters == 3 and result.comparisons == 12 and not result.excluded
    for wins in result.wins.values():
        assert [*wins] == [*METHODS]
        assert wins["ours"].mean == 1 and wins["a<b>&c"].mean == 0 and wins["ours"].people == 3


def test_who_prefers_the_spoilt_video_or_answers_twice_is_not_counted(counted):
    page, key, count = counted

    def careless(trial, dimension):
        return BROKEN if trial["check"] and dimension == "realism" else best(trial, dimension)

    def hesitant(trial, dimension):  # smoothness is no telling question: a still picture may seem smooth
        return BROKEN if trial["check"] and dimension == "smoothness" else best(trial, dimension)

    good = answered(page, key, 1, "good", best)
    wrong, unsure = answered(page, key, 2, "careless", careless), answered(page, key, 2, "hesitant", hesitant)
    result = count(good, good, wrong, unsure, answered(page, key, 3, "gone", best, upto=0))
    assert result.raters == 2
    assert result.excluded == {
        "good (answers-1.json)": "the same answers were given before",
        "careless": "preferred a spoilt video in 1 answers",
        "gone": "stopped before the first attention check",
    }


def test_changed_answers_and_other_studies_are_refused(counted):
    page, key, count = counted
    content = answered(page, key, 1, "r", best)
    with pytest.raises(DatasetError, match="holds answers to the study 'x'"):
        count(content | {"study": "x"})
    with pytest.raises(DatasetError, match="damaged or was changed"):
        count(content | {"form": 2})
    with pytest.raises(DatasetError, match="damaged or was changed"):
        count({k: v for k, v in content.items() if k != "answers"})
    with pytest.raises(DatasetError, match="no answer can be counted"):
        count(content | {"answers": []})


def test_agreement_has_known_values():
    assert krippendorff_alpha([[True, True], [False, False]]) == 1
    # the binary example of two observers in Krippendorff (2011), "Computing Krippendorff's alpha-reliability"
    first, second = "0100000010", "1110010000"
    units = [[a == "1", b == "1"] for a, b in zip(first, second, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha([]) is None and krippendorff_alpha([[True, True]]) is None


def test_command_builds_tallies_and_the_report_shows_it(results, tmp_path):
    run = CliRunner()
    out = tmp_path / "page"
    size = ["--trials", "2", "--forms", "2", "--checks", "1"]
    shown = ["--results", str(results), "--dataset", "data", "--methods", "ours,theirs", "-o", str(out)]
    done = run.invoke(app, ["study", "build", *shown, *size])
    assert done.exit_code == 0 and "keep" in done.output, done.output
    key = json.loads((tmp_path / "page.key.json").read_text())
    files = []
    for i in range(6):
        files.append(str(tmp_path / f"a{i}.json"))
        Path(files[-1]).write_text(json.dumps(answered(out, key, 1 + i % 2, f"r{i}", best)))
    assert "not run: nobody has been asked" in "\n".join(study_lines(tmp_path))
    done = run.invoke(
        app, ["study", "tally", *files, "--key", str(tmp_path / "page.key.json"), "-o", str(tmp_path / "tally.json")]
    )
    assert done.exit_code == 0 and "realism: ours 1.00" in done.output, done.output
    assert (tmp_path / "tally.png").stat().st_size > 5000
    text = "\n".join(study_lines(tmp_path))
    assert "| realism | 1.00<br><sub>[1.00, 1.00]</sub> | 0.00<br>" in text and "6 raters; 12 comparisons" in text
