"""DVC around the workflow: reruns, clones, a local remote. One story, told once, in a copy with stand-in modules."""

import shutil
from pathlib import Path

import pytest

from .conftest import ROOT, Project, make_project, shorten

GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")


def clone(project: Project, path: Path) -> Project:
    project.run("git", "clone", "-q", str(project.path), str(path))
    return Project(path)


def ran(project: Project) -> list[str]:
    """Which stand-ins ran there so far."""
    record = project.path / "ran.txt"
    return [line.split()[0] for line in record.read_text().splitlines()] if record.exists() else []


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """After `dvc repro`, a push to a local remote and a commit."""
    folder = tmp_path_factory.mktemp("dvc")
    project = shorten(make_project(folder / "project"))
    (project.path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", project.path / ".dvc/config")
    shutil.copy(ROOT / ".dvc/.gitignore", project.path / ".dvc/.gitignore")
    with open(project.path / ".gitignore", "a") as ignored:
        ignored.write("/ran.txt\n")
    project.run("git", "init", "-q")
    project.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    project.run(*GIT, "add", "--all")
    project.run(*GIT, "commit", "-q", "-m", "before the run")
    project.run("dvc", "repro")
    project.run("dvc", "push")
    project.run(*GIT, "add", "--all")
    project.run(*GIT, "commit", "-q", "-m", "after the run")
    return project


def test_repro_runs_the_workflow_and_keeps_data_out_of_git(reproduced: Project) -> None:
    assert {"fetch", "clips", "train", "generate", "evaluate", "report"} <= set(ran(reproduced))
    committed = reproduced.run("git", "ls-files").splitlines()
    assert {"dvc.lock", "reports/tables.md"} <= set(committed)
    assert not [name for name in committed if name.startswith(("results/", "data/raw/", "data/weights/"))]


def test_a_second_repro_starts_nothing(reproduced: Project) -> None:
    before = ran(reproduced)
    assert "up to date" in reproduced.run("dvc", "repro")
    assert ran(reproduced) == before


def test_a_changed_entry_reruns_its_dataset_stage_alone(reproduced: Project) -> None:
    name = "workflow/config/datasets.yaml"
    text = (reproduced.path / name).read_text()
    reproduced.edit(name, "min_frames: 50", "min_frames: 51")
    try:
        stale = reproduced.run("dvc", "status", "dataset")
    finally:
        (reproduced.path / name).write_text(text)
    assert "dataset@real-street" in stale
    assert "dataset@mead" not in stale


def test_a_clone_pulls_data_and_results_and_runs_nothing(reproduced: Project, tmp_path: Path) -> None:
    copy = clone(reproduced, tmp_path / "clone")
    copy.run("dvc", "repro", "--pull")
    assert ran(copy) == []
    assert (copy.path / "results/tables/summary.json").is_file()
    assert (copy.path / "results/train/semo/stage2/model/pipeline.json").is_file()
    assert copy.run("git", "status", "--porcelain") == ""
    copy.snakemake("--touch", "reproduce_all")
    assert "Nothing to be done" in copy.dry_run("reproduce_all")


def test_snakemake_alone_runs_a_clone_and_leaves_it_clean(reproduced: Project, tmp_path: Path) -> None:
    copy = clone(reproduced, tmp_path / "clone")
    copy.snakemake("reproduce_all")
    made = ran(copy)
    assert {"clips", "train", "generate", "evaluate", "report"} <= set(made)
    assert copy.run("git", "status", "--porcelain") == ""
    assert "Nothing to be done" in copy.run("dvc", "repro", "--single-item", "reproduce_all")
    assert ran(copy) == made
