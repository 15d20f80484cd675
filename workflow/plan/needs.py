"""What jobs and runs need: memory and time by preset, disk by what will be generated."""

from __future__ import annotations

import csv
from pathlib import Path

from plan.run import Run

# MB of one job (training, generation, preparation of a shard).
MEMORY_MB = {
    "smoke": (2000, 1500, 1500),
    "mini": (2500, 1500, 1500),
    "small": (16000, 6000, 6000),
    "base": (48000, 12000, 6000),
}
JOBS = ("train", "generate", "shard")
# Minutes a scheduler should allow one job (training, anything else), about three times what it takes. A training that
# is stopped by the limit is retried and goes on from its checkpoint.
RUNTIME_MIN = {"smoke": (30, 10), "mini": (180, 60), "small": (720, 240), "base": (2880, 1440)}
BYTES_PER_PIXEL = 2.5  # lossless RGB video
ASSUMED_CLIPS, ASSUMED_FRAMES = 100, 250  # per dataset, where the manifest is not known before the run


def memory_mb(preset: str, job: str) -> int:
    """Memory that a job of the preset, one of JOBS, claims; an unknown preset counts as the largest."""
    return MEMORY_MB.get(preset, MEMORY_MB["base"])[JOBS.index(job)]


def runtime_min(preset: str, job: str) -> int:
    """Minutes that a `train` job, or any other, may take; an unknown preset counts as the largest."""
    return RUNTIME_MIN.get(preset, RUNTIME_MIN["base"])[0 if job == "train" else 1]


def disk_mb(run: Run, entries: dict[str, dict], root: Path) -> int:
    """MB that the run's clips and generated videos take, roughly."""
    frame = run.config["frame_size"] ** 2 * BYTES_PER_PIXEL
    frames = run.budgets["eval_frames"] or ASSUMED_FRAMES
    total = 0.0
    for task, dataset, _ in run.measured():
        total += test_videos(entries[dataset], task, run.budgets["eval_clips"], root) * frames * frame
    return round(total / 1e6)


def test_videos(entry: dict, task: str, limit: int, root: Path) -> int:
    """Videos a method makes of a data set, at most `limit` if it is not 0.

    Test clips (or cross pairs) of a shipped subset are counted; for everything else there is an assumption.
    """
    name = "cross" if task == "cross" else "corpus"
    table = root / str(entry.get("path", "")) / f"{name}.tsv"
    if entry.get("source") != "shipped" or not table.is_file():
        return limit or ASSUMED_CLIPS
    with open(table, newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["subset"] == entry["subset"]]
    count = len(rows) if name == "cross" else sum(row["split"] == "test" for row in rows)
    return min(count, limit or count) or ASSUMED_CLIPS
