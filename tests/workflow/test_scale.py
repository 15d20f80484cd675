"""The paper's scale: all jobs are listed, quickly, with the cost of the run; shards are jobs of their own."""

import json
import sys
from pathlib import Path

import pytest
from plan import shards

from .conftest import Project, make_project, shorten

PAPER = ("--configfile", "workflow/config/paper.yaml")
LIMITED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.stdout]))
"""


def enable(project: Project, clips: dict[str, int]) -> None:
    def change(data: dict) -> None:
        for name, number in clips.items():
            entry = data["datasets"][name]
            entry.update(enabled=True, expected={"clips": number, "hours": number / 360})
            entry.pop("splits", None)

    project.update_yaml("workflow/config/datasets.yaml", change)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("scale") / "project")
    enable(made, {"hdtf": 6000, "dh-facevid-1k": 36000, "mead": 8000})
    return made


def test_fifty_thousand_clips_are_planned_in_half_a_minute_and_a_gigabyte(project: Project) -> None:
    command = ("snakemake", "--cores", "8", "--dry-run", *PAPER)
    output = project.run(sys.executable, "-c", LIMITED, *command)
    code, seconds, megabytes, text = json.loads(output.splitlines()[-1])
    assert code == 0, text
    jobs = dict(line.split() for line in text.split("Job stats:")[1].splitlines() if len(line.split()) == 2)
    assert (jobs["prepare_shard"], jobs["gather_shards"]) == (str(32 + 256 + 64), "3")
    assert (jobs["train"], jobs["train_ablation"]) == ("4", "15")
    assert seconds < 30 and megabytes < 1000  # processor time: what else the machine does is not counted


def test_several_processes_are_launched_by_accelerate(project: Project) -> None:
    text = project.dry_run(*PAPER, "--printshellcmds")
    launched = next(line for line in text.splitlines() if "semo.train stage1 --preset base" in line)
    assert "accelerate launch --multi_gpu --num_machines 1 --num_processes 8" in launched
    assert "--parts 8 --checkpoint-minutes 10" in launched and "--compile" not in launched
    plain = project.dry_run("--printshellcmds")
    assert "python -m semo.train stage1 --preset mini" in plain and "accelerate" not in plain


def test_one_job_for_each_shard_and_only_missing_ones_again(tmp_path: Path) -> None:
    project = shorten(make_project(tmp_path / "project"))
    arguments = ("--config", "shard_clips=1", "--", "results/clips/portraits-mini-broadcast/manifest.tsv")
    rows = "clip\tsubset\tsplit\n" + "".join(f"c{i}\tbroadcast\ttrain\n" for i in range(3))
    (project.path / "data/portraits-mini/corpus.tsv").write_text(rows)
    project.snakemake(*arguments)
    ran = (project.path / "ran.txt").read_text().splitlines()
    assert sorted(line.split("--shard ")[1][:5] for line in ran if " make " in line) == ["00000", "00001", "00002",
                                                                                       "00003"]
    assert " gather " in ran[-1] and "--of 4" in ran[-1]
    (project.path / "results/clips/portraits-mini-broadcast/shards/4/00002/part.json").unlink()
    project.snakemake("--forcerun", "gather_shards", *arguments)
    again = (project.path / "ran.txt").read_text().splitlines()[len(ran):]
    assert [line.split()[0] for line in again] == ["shards", "shards"] and "--shard 00002" in again[0]


def test_shards_are_powers_of_two() -> None:
    assert [shards.shard_count(clips, 200) for clips in (0, 1, 200, 201, 270043)] == [1, 1, 1, 2, 2048]


def test_what_is_expected_of_a_data_set(tmp_path: Path) -> None:
    assert shards.expected({"path": "x", "expected": {"clips": 5, "hours": 2.0}}, tmp_path) == (5, 2.0)
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mkv", "notes.txt"):
        (tmp_path / "videos" / name).touch()
    assert shards.expected({"path": "videos", "max_seconds": 36}, tmp_path) == (2, 0.02)
    assert shards.expected({"path": "gone"}, tmp_path)[0] == shards.ASSUMED_CLIPS
