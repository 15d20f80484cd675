"""The smoke run through a real SLURM of one machine, a job killed in the middle: `make test-slurm`."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from ..workflow.conftest import ROOT, Project
from ..workflow.test_end_to_end import real_project, shrink_corpus
from .one_node import OneNode, why_not

ASKED = "SEMO_TEST_SLURM" in os.environ
REASON = (why_not() or (find_spec("snakemake_executor_plugin_slurm") is None and "its plugin is not installed")
          if ASKED else "starts daemons as root: make test-slurm")
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"SLURM: {REASON}")

STEPS = 400  # of stage 1: long enough to be killed in the middle
LIMIT = 1800  # seconds for the whole run
# What depends on the cluster: here there is no database, and a job gets one core.
CLUSTER = (
    "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 2"
    " --seconds-between-status-checks 3 --latency-wait 20 --cores 1 --slurm-partition-config partitions.yaml"
).split()
COMMAND = ("snakemake", "--workflow-profile", "profiles/slurm", *CLUSTER, "reproduce_all", "--configfile",
           "workflow/config/smoke.yaml")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """The project after the run, Snakemake's output, the jobs SLURM saw, the killed one, and its curve then."""

    project: Project
    text: str
    jobs: list[dict[str, str]]
    killed: str
    before: list[dict[str, str]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):
    with OneNode(tmp_path_factory.mktemp("slurm")) as node:
        yield node


@pytest.fixture(scope="module")
def ran(node: OneNode, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    project = real_project(tmp_path_factory.mktemp("run") / "project")
    shrink_corpus(project.path / "data/portraits-mini")
    project.update_yaml("workflow/config/smoke.yaml", lambda config: config["budgets"].update(stage1_steps=STEPS))
    limits = {"partitions": {"short": {"max_runtime": 15}, "long": {"max_runtime": 6000}}}
    (project.path / "partitions.yaml").write_text(yaml.safe_dump(limits))
    log = project.path / "snakemake.txt"
    with open(log, "wb") as stream:
        run = subprocess.Popen(COMMAND, cwd=project.path, env=environment(project), stdout=stream, stderr=stream)
    try:
        killed, before = kill_training(node, project, run, log)
        code = run.wait(LIMIT)
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait()
    text = log.read_text()
    assert code == 0, text
    return Outcome(project, text, node.finished(), killed, before)


def environment(project: Project) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE", "SLURM", "SBATCH"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "PYTHONPATH": str(project.path)}


def curve(project: Project) -> list[dict[str, str]]:
    """What the training of stage 1 has reported: rows with the step, and the seconds it took."""
    file = project.path / "results/smoke/train/semo/stage1/curve.tsv"
    if not file.exists():
        return []
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def kill_training(
    node: OneNode, project: Project, run: subprocess.Popen, log: Path
) -> tuple[str, list[dict[str, str]]]:
    """Cancel the job of stage 1 once its training has reported; its id and what was reported."""
    until = time.monotonic() + LIMIT
    while not (before := curve(project)):
        assert run.poll() is None and time.monotonic() < until, f"no training began:\n{log.read_text()}"
        time.sleep(0.2)
    job = next(job for job, comment in node.running().items() if "rule_train_" in comment and "stage1" in comment)
    subprocess.run(["scancel", job], check=True)
    return job, before


def test_a_killed_training_is_sent_again_and_finishes(ran: Outcome) -> None:
    states = {job["JobId"]: job["JobState"] for job in ran.jobs}
    assert states[ran.killed] in ("CANCELLED", "FAILED")
    assert "Trying to restart job" in ran.text
    assert Counter(states.values())["COMPLETED"] == len(states) - 1
    assert curve(ran.project)[-1]["step"] == str(STEPS)


def test_it_goes_on_where_it_was_killed(ran: Outcome) -> None:
    """Seconds never repeat: had it begun again, the first rows would be others."""
    assert curve(ran.project)[: len(ran.before)] == ran.before


def test_every_table_and_figure_is_made(ran: Outcome) -> None:
    results = ran.project.path / "results/smoke"
    assert {path.stem for path in (results / "tables").glob("table*.tsv")} == {
        path.stem for path in (ROOT / "reports/tables").glob("*.yaml")
    }
    assert (results / "reports/tables.md").is_file()
    assert list((results / "reports/figures").glob("*.png"))


def test_short_jobs_are_sent_together(ran: Outcome) -> None:
    """46 jobs: clips, four stages (one twice), an ablation, two groups of measurements and one of the report."""
    assert len(ran.jobs) <= 11


def test_each_job_goes_to_the_partition_that_fits(ran: Outcome) -> None:
    assert Counter(job["Partition"] for job in ran.jobs)["short"] == 1  # the clips
    assert {job["Partition"] for job in ran.jobs} == {"short", "long"}


def test_a_second_run_has_nothing_to_do(ran: Outcome) -> None:
    done = subprocess.run(COMMAND, cwd=ran.project.path, env=environment(ran.project), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
