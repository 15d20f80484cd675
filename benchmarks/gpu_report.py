"""The report of benchmarks/gpu.py: tables, curves, strips, and what they were measured with."""

from __future__ import annotations

import csv
import json
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from semo.provenance import cpu_model, device_name

SHOWN = 8  # frames of a strip
PROJECT = Path(__file__).resolve().parents[1]


def write_report(
    out: Path, found: dict[str, dict], matmul: float, device: str, dry: bool, settings: list[str]
) -> None:
    """`found`: data -> rows of `training` and `streaming`, `curves`, `strips`. Replaces what an earlier call left."""
    out.mkdir(parents=True, exist_ok=True)
    record = hardware(device) | {"matmul_bf16_tflops": matmul / 1e12, "dry": dry, "settings": settings}
    (out / "record.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    lines = [f"# {'Toy size: these numbers say nothing' if dry else 'One GPU'}", "",
             *(f"- {key.replace('_', ' ')}: {value}" for key, value in record.items()), ""]
    for name, rows in found.items():
        for kind in ("training", "streaming"):
            write_tsv(out / f"{kind}-{name}.tsv", rows[kind])
            lines += [f"## {name}: {kind}", "", *markdown(rows[kind]), ""]
        write_curves(out / f"curves-{name}.png", rows["curves"])
        write_strips(out / f"strips-{name}.png", rows["strips"])
        order = ", ".join(f"{when} {steps} steps" if steps else when for when, steps in rows["strips"])
        lines += [f"![curves](curves-{name}.png)", "", f"Rows: {order}.", "", f"![strips](strips-{name}.png)", ""]
    (out / "README.md").write_text("\n".join(lines))


def hardware(device: str) -> dict[str, object]:
    """What the numbers were measured with, and the commit of the code."""
    facts: dict[str, object] = {"device": device_name(device), "processor": cpu_model(), "torch": torch.__version__,
                                "python": platform.python_version(), "commit": commit()}
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"memory_gb": round(properties.total_memory / 1e9, 1), "cuda": torch.version.cuda,
                  "capability": f"{properties.major}.{properties.minor}"}
    return facts


def commit() -> str:
    """The commit of the code, `+changes` where files differ from it."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        "+changes" if git("status", "--porcelain", "--untracked-files=no") else "")  # fmt: skip


def columns(rows: list[dict]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown(rows: list[dict]) -> list[str]:
    names = columns(rows)
    head = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return head + ["| " + " | ".join(shown(row.get(name, "")) for name in names) + " |" for row in rows]


def write_tsv(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, columns(rows), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: shown(value) for key, value in row.items()} for row in rows)


def write_curves(path: Path, curves: dict[str, list[dict]]) -> None:
    """Loss of every stage over its steps."""
    figure = Figure(figsize=(3 * len(curves), 2.6), layout="constrained")
    for axes, (stage, rows) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
        axes.plot([row["step"] for row in rows], [row["loss"] for row in rows])
        axes.set(title=stage, xlabel="step", ylabel="loss")
    figure.savefig(path, dpi=100)


def write_strips(path: Path, strips: dict[tuple[str, int], np.ndarray]) -> None:
    """One row per model and number of steps: the same frames of one clip, the true ones last."""
    length = min(len(frames) for frames in strips.values())
    picked = np.linspace(0, length - 1, min(SHOWN, length)).round().astype(int)
    Image.fromarray(np.concatenate([np.concatenate(frames[picked], axis=1) for frames in strips.values()])).save(path)
