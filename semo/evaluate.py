"""Measure what one method generated: `python -m semo.evaluate --help`.

Writes one row per clip to `<out>.tsv` and, beside it, `<out>.json`: the record of the generation, the protocol of
every metric and the clips without a value. A method that did not run gives a table without rows and its reason.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from semo.clips import ClipSet
from semo.generate import RECORD
from semo.media import FPS, iter_frames
from semo.metrics import Metric, MetricError, all_metrics, check_comparable, metrics_for
from semo.progress import progress
from semo.tasks import TASKS, Item, task_items

CHUNK = 32


class EvaluationError(RuntimeError):
    """The generated folder does not belong to these clips, or a video in it is wrong; one sentence."""


def evaluate(task: str, generated: Path, clips: Path, out: Path) -> list[dict[str, Any]]:
    """Measure every generated clip; returns the rows. Raises EvaluationError."""
    record = _record(generated, task)
    clip_set = ClipSet(clips)
    if record["clips_sha256"] != clip_set.sha256:
        raise EvaluationError(
            f"{generated} was made from other clips than those in {clips} (manifest hash differs): generate it again"
        )
    metrics = metrics_for(task)
    rows: list[dict[str, Any]] = []
    if record["status"] == "complete":
        items = task_items(task, clip_set, record["split"], record["max_clips"], record["max_frames"])
        failed = {entry["clip"] for entry in record["failed"]}
        wanted = [item for item in items if item.id not in failed]
        with progress(len(wanted), "clips", f"measure {record['method']} {task}") as bar:
            for item in wanted:
                rows.append(measure(item, generated / f"{item.id}.mkv", metrics))
                bar.advance()
    _write(out, rows, metrics, record, task)
    return rows


def measure(item: Item, video: Path, metrics: list[Metric]) -> dict[str, Any]:
    """One row: clip, identity, frames and every metric; memory does not grow with the length of the clip."""
    if not video.is_file():
        raise EvaluationError(f"{video} is missing although its run is recorded as complete: generate it again")
    source = item.source_frame()
    parts: dict[str, list[np.ndarray]] = {m.name: [] for m in metrics}
    true_count = made_count = 0
    made = _chunks(iter_frames(video, fps=FPS))
    for truth in _chunks(item.true_frames()):
        fake = next(made, truth[:0])
        true_count, made_count = true_count + len(truth), made_count + len(fake)
        if len(fake) != len(truth):
            break
        for m in metrics:
            try:
                parts[m.name].append(_frames(m, truth, fake, source))
            except MetricError as error:
                raise EvaluationError(f"{item.id}: {error}") from error
    made_count += sum(len(chunk) for chunk in made)
    if made_count != true_count or true_count != item.frames:
        raise EvaluationError(
            f"{item.id}: the generated video has {made_count} frames and the truth {item.frames}: generate it again"
        )
    values = {m.name: m.pool(np.concatenate(parts[m.name])) for m in metrics}
    return {"clip": item.id, "identity": item.identity, "frames": item.frames, **values}


def _frames(metric: Metric, truth: np.ndarray, fake: np.ndarray, source: np.ndarray) -> np.ndarray:
    check_comparable(truth, fake, source)
    assert metric.frames is not None
    return metric.frames(truth, fake, source)


def _chunks(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames -> uint8 (at most CHUNK, H, W, 3)."""
    frames = iter(frames)
    while batch := list(islice(frames, CHUNK)):
        yield np.stack(batch)


def _record(generated: Path, task: str) -> dict[str, Any]:
    path = generated / RECORD
    if not path.is_file():
        raise EvaluationError(f"{path} does not exist: run semo.generate first")
    record = json.loads(path.read_text())
    if record["task"] != task:
        raise EvaluationError(f"{generated} holds task {record['task']}, not {task}")
    return record


def _write(out: Path, rows: list[dict[str, Any]], metrics: list[Metric], record: dict[str, Any], task: str) -> None:
    names = ["clip", "identity", "frames", *(m.name for m in metrics)]
    side = {
        "run": record,
        "metrics": {m.name: {"protocol": m.protocol, "variant": m.variant, "unit": m.unit} for m in metrics},
        "not_run": {m.name: m.not_run for m in all_metrics().values() if task in m.tasks and m.frames is None},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    beside = out.with_suffix(".json")
    partial.write_text(json.dumps(side, indent=2, ensure_ascii=False) + "\n")
    os.replace(partial, beside)
    with open(partial, "w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)
    os.replace(partial, out)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m semo.evaluate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--generated", type=Path, required=True, help="folder written by semo.generate")
    parser.add_argument("--clips", type=Path, required=True, help="the prepared clips it was made from")
    parser.add_argument("--out", type=Path, required=True, help="table to write (.tsv)")
    args = parser.parse_args(arguments)
    try:
        rows = evaluate(args.task, args.generated, args.clips, args.out)
    except (EvaluationError, ValueError, OSError) as error:
        print(f"semo.evaluate: {error}", file=sys.stderr)
        return 1
    print(f"{len(rows)} clips measured -> {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
