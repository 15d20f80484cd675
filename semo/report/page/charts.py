"""Data of the charts: curves of every training run, and quality against cost of every method."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from semo.metrics import all_metrics, metric
from semo.report.capabilities import undisturbed_speed
from semo.report.measurements import BOUNDS, Results
from semo.report.page.gains import label_of
from semo.report.speed import TIMED_TASKS

NOT_DRAWN = ("step", "seconds", "samples_per_s")
QUANTITIES = {  # column of a curve -> what it is called; others keep their column's name
    "loss": "Loss, each run its own",
    "psnr_moving": "PSNR of moving pixels, dB",
    "motion_use_db": "Cost of shuffled motion, dB",
    "explained": "Share of the motion explained",
    "audio_use": "Cost of shuffled sound",
}
COSTS = {
    "ms": "Processor time, ms per frame",
    "parameters": "Parameters in use",
    "memory": "Peak memory, MiB",
}


def curves(results: Results) -> dict[str, Any]:
    """{"quantities": {column: title}, "runs": [run]}; a run: label, stage, lists step and seconds, values by column."""
    runs, seen = [], {}
    for run in results.training:
        names = [name for name in (run.curve[0] if run.curve else {}) if name not in NOT_DRAWN]
        values = {name: [_number(row.get(name)) for row in run.curve] for name in names}
        values = {name: column for name, column in values.items() if any(v is not None for v in column)}
        seen |= dict.fromkeys(values)
        axes = {name: [_number(row.get(name)) for row in run.curve] for name in ("step", "seconds")}
        runs.append({"label": label_of(results, run.run), "stage": run.stage, **axes, "values": values})
    ordered = [name for name in QUANTITIES if name in seen] + [name for name in seen if name not in QUANTITIES]
    return {"quantities": {name: QUANTITIES.get(name, name.replace("_", " ")) for name in ordered}, "runs": runs}


def cost(results: Results) -> dict[str, Any]:
    """{"costs": {key: title}, "tasks": {task: {"metrics": {...}, "points": [...]}}}.

    A point is a method: its mean over the clips of each data set, averaged over the data sets, and its costs; what was
    not measured is None.
    """
    tasks = {}
    for task in TIMED_TASKS:
        points, names = [], {}
        for method in [*results.methods, *results.externals(task)]:
            if point := _point(results, task, method):
                points.append(point)
                names |= dict.fromkeys(point["values"])
        if points:
            tasks[task] = {"metrics": {name: _about(name) for name in sorted(names)}, "points": points}
    return {"costs": COSTS, "tasks": tasks}


def _point(results: Results, task: str, method: str) -> dict[str, Any] | None:
    found = [m for d in dict.fromkeys(results.roles.values()) if (m := results.measured(task, d, method))]
    done = [m for m in found if m.record["status"] == "complete"]
    if not done:
        return None
    values = {}
    for name in (name for name in done[0].metrics if name in all_metrics()):
        means = []
        for measured in done:
            of_set, clips = measured.of_set(name), measured.values(name).values()
            means += [of_set.mean] if of_set else [fmean(clips)] if clips else []
        if means:
            values[name] = round(fmean(means) * metric(name).shown_scale, 4)
    speed = undisturbed_speed(done)
    costs = {
        "ms": round(1000 / speed, 4) if speed else None,
        "parameters": done[0].record.get("parameters"),
        "memory": max(m.record["peak_memory_mib"] for m in done),
    }
    kind = "bound" if method in BOUNDS else "ablation" if method.startswith("ablation-") else "method"
    return {"method": method, "label": label_of(results, method), "kind": kind, "values": values, "costs": costs}


def _about(name: str) -> dict[str, str]:
    return {"title": f"{metric(name).label} {metric(name).arrow}", "better": metric(name).better}


def _number(text: str | None) -> float | None:
    """None for an empty cell and for what JSON cannot hold."""
    if not text:
        return None
    value = float(text)
    return value if abs(value) < float("inf") else None
