"""Freeze the measurements of a long run as one TSV and one JSON for `reports/released/`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from semo import provenance
from semo.metrics import all_metrics
from semo.report.definitions import ReportError
from semo.report.measurements import Measured, Results
from semo.report.tables import write_text
from semo.stats import estimate

COLUMNS = ("run", "seed", "task", "role", "dataset", "metric", "value", "low", "high", "clips", "people")
_SEED = re.compile(r"^(?P<run>.+)-seed(?P<seed>\d+)$")


def release(results: Results, out: Path, root: Path) -> int:
    """Write every measured ablation run (two seeds share a row id) and its provenance; returns the rows written.

    Raises ReportError where nothing was measured.
    """
    lines, runs = [], {}
    first_seed = int(results.config.get("seed", 0))
    for name in results.methods:
        if not name.startswith("ablation-"):
            continue
        run, seed = _run_and_seed(name.removeprefix("ablation-"), first_seed)
        for role, dataset in results.roles.items():
            for task in ("reconstruct", "cross"):
                found = results.measured(task, dataset, name)
                if found is None or found.record["status"] != "complete":
                    continue
                runs[name] = {
                    "weights_sha256": found.record["weights_sha256"],
                    "seed": seed,
                    **_training(results, name),
                }
                lines += [[run, str(seed), task, role, dataset, *cells] for cells in _values(found, task)]
    if not lines:
        raise ReportError(f"{results.folder} holds no measured ablation run: nothing to release")
    text = "\n".join("\t".join(line) for line in [list(COLUMNS), *lines]) + "\n"
    write_text(out, text)
    write_text(out.with_suffix(".json"), json.dumps(_facts(results, runs, root), indent=2, ensure_ascii=False) + "\n")
    return len(lines)


def _run_and_seed(name: str, first_seed: int) -> tuple[str, int]:
    match = _SEED.match(name)
    return (match["run"], first_seed + int(match["seed"])) if match else (name, first_seed)


def _values(found: Measured, task: str) -> list[list[str]]:
    lines = []
    for metric in all_metrics().values():
        values = found.values(metric.name) if task in metric.tasks else {}
        result = found.of_set(metric.name) if task in metric.tasks else None
        if values:
            result = estimate(list(values.values()), [found.people[clip] for clip in values])
        if result is None:
            continue
        bounds = ["" if bound is None else f"{bound:.6f}" for bound in (result.low, result.high)]
        lines.append([metric.name, f"{result.mean:.6f}", *bounds, str(result.clips), str(result.people)])
    return lines


def _training(results: Results, name: str) -> dict[str, Any]:
    for run in results.training:
        if run.run == name:
            return {
                "steps": run.last("step"),
                "seconds": run.last("seconds"),
                "motion_use_db": run.last("motion_use_db"),
            }
    return {}


def _facts(results: Results, runs: dict[str, Any], root: Path) -> dict[str, Any]:
    steps = sorted({int(run["steps"]) for run in runs.values() if run.get("steps")})
    seeds = len({run["seed"] for run in runs.values()})
    length = f"{' or '.join(f'{s:,}' for s in steps)} steps" if steps else "steps not recorded"
    return {
        "summary": f"{length}, {seeds} seed{'s' if seeds != 1 else ''}; mean ± half the range over seeds",
        "config": {key: value for key, value in results.config.items() if key != "methods"},
        "source": provenance.revision(root),
        "device": provenance.cpu_model(),
        "versions": provenance.versions(),
        "runs": runs,
    }
