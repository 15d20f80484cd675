"""What runs again after a change, and what does not: in a copy whose modules are stand-ins, so jobs take no time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from plan import machine
from scripts.begin import begin, job_key

from .conftest import BUDGETS, Project, make_project, shorten
from .test_dag import counts


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shorten(make_project(tmp_path_factory.mktemp("rerun") / "project"))
    project.snakemake("reproduce_all")
    return project


@contextmanager
def edited(project: Project, name: str, old: str, new: str) -> Iterator[None]:
    text = (project.path / name).read_text()
    project.edit(name, old, new)
    try:
        yield
    finally:
        (project.path / name).write_text(text)


def test_a_second_run_does_nothing(finished: Project) -> None:
    """Within 10 s of processor time: wall time would measure what else the machine does."""
    before = os.times()
    output = finished.snakemake("reproduce_all")
    after = os.times()
    assert "Nothing to be done" in output
    assert after.children_user + after.children_system - before.children_user - before.children_system < 10


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("semo/evaluate.py", "# a number the tests change", "# the same number"),
        ("semo/train/__main__.py", "Stands in", "Stand in"),
        ("semo/metrics/psnr.py", "Stand-in.", "Still a stand-in."),
    ],
)
def test_a_comment_or_docstring_reruns_nothing(finished: Project, name: str, old: str, new: str) -> None:
    with edited(finished, name, old, new):
        assert "Nothing to be done" in finished.dry_run("reproduce_all")


@pytest.mark.parametrize(
    ("name", "old", "new", "first"),
    [
        ("semo/metrics/psnr.py", "VALUE = 1", "VALUE = 2", "evaluate"),
        ("semo/train/__init__.py", "VALUE = 1", "VALUE = 2", "train"),
        ("semo/prepare.py", "LIMIT = 1", "LIMIT = 2", "prepare_clips"),
        ("workflow/config/mini.yaml", f" sampler_steps: {BUDGETS['sampler_steps']}", " sampler_steps: 9", "generate"),
        (
            "workflow/config/mini.yaml",
            f"ablation_steps: {BUDGETS['ablation_steps']}",
            "ablation_steps: 901",
            "train_ablation",
        ),
    ],
)
def test_a_change_of_code_or_setting_reruns_its_jobs(
    finished: Project, name: str, old: str, new: str, first: str
) -> None:
    order = ["prepare_clips", "train", "train_ablation", "generate", "evaluate", "table", "page"]
    with edited(finished, name, old, new):
        jobs = counts(finished.dry_run("reproduce_all"))
    earlier = order[: order.index(first)] if first != "train" else ["prepare_clips"]
    assert first in jobs
    assert not jobs.keys() & set(earlier) - ({"train"} if first == "train_ablation" else set())
    assert "page" in jobs


def test_a_new_metric_is_computed_everywhere(finished: Project) -> None:
    metric = finished.path / "semo/metrics/fake.py"
    metric.write_text("METRIC = 1\n")
    try:
        jobs = counts(finished.dry_run("reproduce_all"))
    finally:
        metric.unlink()
    everywhere = sum(1 for _ in (finished.path / "results/metrics").rglob("*.tsv"))
    assert jobs["evaluate"] == everywhere
    assert "generate" not in jobs


def test_a_job_runs_again_only_after_a_change(finished: Project) -> None:
    """The change of one method's code runs that method's jobs: the others stand."""
    with edited(finished, "baselines/copy_reference/method.py", "class Method:", "ADDED = 1\n\n\nclass Method:"):
        output = finished.dry_run("reproduce_all")
    assert "Generate reconstruct portraits-mini-broadcast copy-reference" in output
    assert "Generate reconstruct portraits-mini-broadcast semo" not in output


def test_cores_are_those_of_the_machine(finished: Project) -> None:
    with edited(finished, "semo/report/__main__.py", "LIMIT = 1", "LIMIT = 3"):
        output = finished.snakemake("--cores", "512", "reproduce_all")
    assert f"Provided cores: {machine.cores()}" in output
    finished.snakemake("reproduce_all")


def test_jobs_are_told_how_many_threads_they_have(finished: Project) -> None:
    lines = (finished.path / "ran.txt").read_text().splitlines()
    train = next(line for line in lines if line.startswith("train") and "/semo/" in line)
    threads = min(2, machine.cores())
    assert f"OMP_NUM_THREADS={threads} " in train
    assert f"--threads {threads} " in train
    assert all("OMP_NUM_THREADS=1 " in line for line in lines if line.startswith("generate"))


def test_begin_keeps_what_an_interrupted_job_made(tmp_path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("1")
    folder = tmp_path / "out"
    key = job_key(["steps", "8", str(weights)])
    assert not begin(folder, key)
    (folder / "clip.mkv").write_text("done")
    assert begin(folder, job_key(["steps", "8", str(weights)]))
    assert (folder / "clip.mkv").exists()


@pytest.mark.parametrize("change", ["parameter", "input"])
def test_begin_empties_the_folder_of_another_job(tmp_path, change: str) -> None:
    weights = tmp_path / "weights"
    weights.write_text("1")
    folder = tmp_path / "out"
    begin(folder, job_key(["steps", "8", str(weights)]))
    (folder / "clip.mkv").write_text("done")
    if change == "input":
        weights.write_text("22")
    assert not begin(folder, job_key(["steps", "9" if change == "parameter" else "8", str(weights)]))
    assert not (folder / "clip.mkv").exists()
