"""A small results tree as a run leaves it, without running anything: per-clip metrics, records, training curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

ROLES = {"hdtf": "mini-broadcast", "dh_facevid": "mini-street", "mead": "mini-studio"}
METRICS = {
    "reconstruct": ("l1", "psnr", "psnr_moving", "ssim"),
    "cross": ("l1", "psnr_cross", "psnr_moving", "ssim"),
    "talk": ("l1", "psnr", "psnr_moving", "ssim"),
}
LEVEL = {"copy-reference": 0.0, "codec": 8.0, "semo": 2.0, "semo-released": 4.0}
LABELS = {"semo": "SeMo", "semo-released": "SeMo-mini (released)"}


def config(methods: dict[str, tuple[str, ...]], ablations: tuple[str, ...] = ()) -> dict[str, Any]:
    """A resolved config: `methods` maps ids to their tasks."""
    planned = {name: {"plugin": "semo", "tasks": list(tasks)} for name, tasks in methods.items()}
    planned |= {f"ablation-{run}": {"plugin": "semo", "tasks": ["reconstruct", "cross"]} for run in ablations}
    return {
        "scale": "smoke",
        "seed": 0,
        "frame_size": 64,
        "tier": "bundled",
        "datasets": ROLES,
        "enabled_roles": ROLES,
        "methods": planned,
        "budgets": {"ablation_steps": 800, "ablations": list(ablations), "eval_clips": 0, "eval_frames": 50},
    }


def record(task: str, dataset: str, method: str, **changes: Any) -> dict[str, Any]:
    """What semo.generate writes as run.json."""
    label = LABELS.get(method, method.removeprefix("ablation-"))
    kind = {"copy-reference": "bound", "codec": "bound", "other-motion": "control", "mean-motion": "control"}.get(
        method, "scratch"
    )
    return {
        "task": task,
        "dataset": dataset,
        "clips_sha256": "c" * 64,
        "method": method,
        "plugin": "semo",
        "weights_sha256": None if method == "copy-reference" else "ab" * 32,
        "seed": 0,
        "split": "test",
        "max_clips": 0,
        "max_frames": 50,
        "label": label,
        "kind": "released" if method.endswith("-released") else kind,
        "labels": [],
        "settings": {} if method == "copy-reference" else {"steps": 2},
        "device_name": "Test CPU",
        "device": "cpu",
        "threads": 1,
        "status": "complete",
        "clips": 12,
        "people": 6,
        "failed": [],
        "longest": 50,
        "frames": 600,
        "seconds": 6.0,
        "cpu_seconds": 5.0,
        "fps": 100.0,
        "peak_memory_mib": 400.0,
    } | changes


def measured(results: Path, task: str, dataset: str, method: str, level: float | None = None, **changes: Any) -> None:
    """Write the metrics of one (task, data set, method): 6 people x 2 clips around `level`."""
    folder = results / "metrics" / task / dataset
    folder.mkdir(parents=True, exist_ok=True)
    made = record(task, dataset, method, **changes)
    names = METRICS[task]
    lines = ["\t".join(["clip", "identity", "frames", *names])]
    if made["status"] == "complete":
        gain = LEVEL.get(method, 1.0) if level is None else level
        noise = np.random.default_rng(7).normal(size=12)
        for i in range(12):
            good = 20.0 + gain + noise[i]
            value = {"l1": 1.0 / good, "ssim": good / 40.0}
            cells = [f"{value.get(name, good - 5.0 * (name == 'psnr_moving')):.6f}" for name in names]
            lines.append("\t".join([f"clip{i:02d}", f"p{i // 2}", "50", *cells]))
    (folder / f"{method}.tsv").write_text("\n".join(lines) + "\n")
    distance = 50.0 - 4.0 * (LEVEL.get(method, 1.0) if level is None else level)
    of_set = {"mean": distance, "low": distance - 2, "high": distance + 2, "clips": 12, "people": 6}
    side = {
        "run": made,
        "metrics": {"fd_corpus": {"weights_sha256": "d0" * 32}},
        "sets": {"fd_corpus": of_set} if made["status"] == "complete" and task != "cross" else {},
        "not_run": {},
    }
    (folder / f"{method}.json").write_text(json.dumps(side))


def trained(results: Path, run: str, stage: str, steps: int, use: float | None) -> None:
    """Write a training curve of two rows."""
    folder = results / "train" / run / stage
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{steps // 2}\t0.5\t{'' if use is None else use / 2}\t90\t30.0"]
    rows.append(f"{steps}\t0.25\t{'' if use is None else use}\t100\t60.0")
    (folder / "curve.tsv").write_text("\n".join(["step\tloss\tmotion_use_db\tsamples_per_s\tseconds", *rows]) + "\n")
    (folder / "config.json").write_text(json.dumps({"stage": stage, "steps": steps}))


def complete_run(results: Path) -> dict[str, Any]:
    """Bounds, SeMo, released weights and three ablations; returns the config."""
    both = ("reconstruct", "cross", "talk")
    made = config(
        {"copy-reference": both, "codec": both, "semo": both, "semo-released": both},
        ("T1D4", "T1D512", "T1D512-nomask"),
    )
    for method in LEVEL:
        for task in METRICS:
            for dataset in ROLES.values():
                measured(results, task, dataset, method)
    for run, level in (("T1D4", 1.0), ("T1D512", 1.5), ("T1D512-nomask", 1.75)):
        for task in ("reconstruct", "cross"):
            measured(results, task, ROLES["hdtf"], f"ablation-{run}", level)
        trained(results, f"ablation-{run}", "stage1", 800, 0.5)
    for stage, steps, use in (("stage1", 3000, 1.25), ("stage1b", 200, 1.3), ("stage2", 1500, None)):
        trained(results, "semo", stage, steps, use)
    return made
