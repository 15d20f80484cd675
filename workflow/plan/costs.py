"""What a run costs: its jobs, and core-hours from measured rates. What was never measured is named, not guessed.

rates.tsv: seconds of one core, from the `benchmark:` files (cpu_time) of a finished default run at 64 pixels on an AMD
EPYC, start of each job included; evaluation: the bundled tier, timed by itself.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plan import needs
from plan.run import Run

RATES = Path(__file__).with_name("rates.tsv")


@dataclass(frozen=True)
class Cost:
    """`jobs`: kind -> how many, as Snakemake counts them; `core_hours` of what is measured; `unmeasured`: the rest."""

    jobs: dict[str, int]
    core_hours: float
    unmeasured: tuple[str, ...]

    @property
    def total(self) -> int:
        return sum(self.jobs.values())


def read_rates(preset: str, file: Path = RATES) -> dict[tuple[str, str], float]:
    """(job, what) -> core-seconds per step or frame at a preset; empty where nobody has measured it."""
    with open(file, newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return {(row["job"], row["what"]): float(row["core_seconds"]) for row in rows if row["preset"] == preset}


def estimate(run: Run, entries: dict[str, dict], root: Path, rates: dict[tuple[str, str], float]) -> Cost:
    """The whole run from nothing. `entries` of datasets.yaml tell how many frames are generated."""
    seconds, unmeasured = 0.0, {}
    for job, what, amount in _work(run, entries, root):
        rate = rates.get((job, what))
        if rate is None:
            unmeasured[f"{job} {what}"] = None
        else:
            seconds += rate * amount
    return Cost(_jobs(run, root), seconds / 3600, tuple(unmeasured))


def _jobs(run: Run, root: Path) -> dict[str, int]:
    measured = len(run.measured())
    return {
        "prepare_clips": len(run.datasets),
        "train": len(run.stages),
        "train_ablation": len(run.chosen_ablations),
        "train_rival": len(run.trained_rivals),
        "generate": measured,
        "evaluate": measured,
        "table": len(list((root / "reports/tables").glob("*.yaml"))),
        "figure": len(list((root / "semo/report/figures").glob("[a-z]*.py"))),
        "other": 6,  # resolved config, page, audit, graph of the rules, web page, and the target itself
    }


def _work(run: Run, entries: dict[str, dict], root: Path) -> Iterator[tuple[str, str, int]]:
    """(job, what, steps or frames)."""
    budgets = run.budgets
    for stage in run.stages:
        yield "train", stage, budgets[f"{stage}_steps"]
    if run.chosen_ablations:
        yield "train", "ablation", budgets["ablation_steps"] * len(run.chosen_ablations)
    for rival in run.trained_rivals:
        yield "train", rival, budgets["rival_steps"]
    for task, dataset, method in run.measured():
        frames = needs.test_videos(entries[dataset], task, budgets["eval_clips"], root)
        frames *= budgets["eval_frames"] or needs.ASSUMED_FRAMES
        yield "generate", run.methods[method].plugin, frames
        yield "evaluate", task, frames
