"""Real clips through the same workflow: what `make real` plans and, where SEMO_MEDIA is set, a run on a few of them."""

import csv
import os
import subprocess
from pathlib import Path

import pytest

from semo.generate import Job, generate

from .conftest import ROOT, Project, make_project
from .test_dag import counts
from .test_end_to_end import real_project, rows_of

REAL = ("--configfile", "workflow/config/real.yaml")
# Two people on either side of the split for sound, one on either side for the silent set.
CHOSEN = ("hdtf_sadtalker__", "grid_lipnet__bbaf2n", "mead_dreamtalk__M030_front_neutral",
          "mead_dreamtalk__W009_front_neutral", "dhfv__003762", "dhfv__RS127258")


def test_make_real_asks_for_the_folder() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("SEMO_MEDIA", "MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "real"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode
    assert done.stdout == ""
    assert done.stderr.startswith("Set SEMO_MEDIA to a folder of real clips with their manifest.csv")


def test_plan_of_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.setenv("SEMO_MEDIA", str(tmp_path))
    output = project.dry_run(*REAL)
    assert counts(output)["prepare_clips"] == 3
    assert "Generate talk real-studio semo" in output
    assert "Write results/real/reports/tables.md" in output
    monkeypatch.delenv("SEMO_MEDIA")
    output = project.dry_run(*REAL, check=False)
    assert "or let $SEMO_MEDIA name its folder" in output
    assert "Traceback" not in output


def few_clips(target: Path, media: Path) -> None:
    """A folder of a few clips of `media`: its list filtered, its videos linked."""
    (target / "real").mkdir(parents=True)
    with open(media / "manifest.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"].startswith(tuple(f"real/{c}" for c in CHOSEN))]
    with open(target / "manifest.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        (target / row["file"]).symlink_to(media / row["file"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    media = os.environ.get("SEMO_MEDIA")
    if not media:
        pytest.skip("SEMO_MEDIA names no folder with real clips")
    folder = tmp_path_factory.mktemp("real")
    few_clips(folder / "media", Path(media))
    project = real_project(folder / "project")

    def shorter(config: dict) -> None:
        config["datasets"].update(dh_facevid="dh-facevid-1k", mead="mead")  # not enabled: one set is measured
        config["budgets"].update(stage1b_steps=0, reflow_steps=0, ablations=[], eval_clips=1, eval_frames=4)

    project.update_yaml("workflow/config/real.yaml", shorter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMO_MEDIA", str(folder / "media"))
        clips = [f"results/real/clips/real-{name}/manifest.tsv" for name in ("street", "studio")]
        project.snakemake("results/real/tables/table2.tsv", *clips, *REAL)
    return project


@pytest.mark.workflow_run
def test_real_people_are_disjoint(finished: Project) -> None:
    people: dict[str, set[str]] = {"train": set(), "test": set()}
    for dataset in ("real-broadcast", "real-street", "real-studio"):
        clips = rows_of(finished.path / f"results/real/clips/{dataset}/manifest.tsv")
        assert {clip["split"] for clip in clips} == {"train", "test"}
        for clip in clips:
            people[clip["split"]].add(clip["identity"])
    assert not people["train"] & people["test"]


@pytest.mark.workflow_run
def test_real_clips_are_reconstructed_and_talk(finished: Project) -> None:
    for task in ("reconstruct", "talk"):
        for method in ("copy-reference", "codec", "semo"):
            assert len(rows_of(finished.path / f"results/real/metrics/{task}/real-broadcast/{method}.tsv")) == 1
    assert rows_of(finished.path / "results/real/tables/table2.tsv")


@pytest.mark.workflow_run
def test_silent_clips_are_told_not_to_talk(finished: Project) -> None:
    clips = finished.path / "results/real/clips/real-studio"
    assert {clip["has_audio"] for clip in rows_of(clips / "manifest.tsv")} == {"false"}
    record = generate(Job("talk", "copy-reference", "copy-reference", clips, finished.path / "silent"))
    assert record["status"] == "unavailable"
    assert "no clip with sound" in record["reason"]
