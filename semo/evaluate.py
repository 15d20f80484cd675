"""Measure what one method generated: `python -m semo.evaluate --help`.

Writes one row per clip to `<out>.tsv` and, beside it, `<out>.json`: the record of the generation, the protocol of
every metric, the values of whole sets, and the metrics that cannot be computed here. A method that did not run gives a
table without rows and its reason.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from semo.clips import ClipSet
from semo.features.base import TIERS
from semo.features.cache import FeatureCache
from semo.generate import RECORD, limit_threads
from semo.measure import Measured, Measurer, Pair, Side, common_reasons, set_values
from semo.media import FPS, iter_frames, probe
from semo.metrics import MetricError, metrics_for
from semo.progress import progress
from semo.provenance import sha256_file
from semo.stats import Estimate
from semo.tasks import TASKS, Item, task_items


class EvaluationError(RuntimeError):
    """The generated folder does not belong to these clips, or a video in it is wrong; one sentence."""


def evaluate(
    task: str,
    generated: Path,
    clips: Path,
    out: Path,
    tier: str = "bundled",
    features: Path | None = None,
    weights_dir: Path | None = None,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Measure every generated clip with the metrics of `tier`; returns the rows. Raises EvaluationError.

    `features` is the folder where features are kept between evaluations.
    """
    record = _record(generated, task)
    clip_set = ClipSet(clips)
    if record["clips_sha256"] != clip_set.sha256:
        raise EvaluationError(
            f"{generated} was made from other clips than those in {clips} (manifest hash differs): generate it again"
        )
    measurer = Measurer(metrics_for(task, tier), FeatureCache(features), weights_dir, device)
    rows: list[dict[str, Any]] = []
    kept: list[Measured] = []
    if record["status"] == "complete":
        items = task_items(task, clip_set, record["split"], record["max_clips"], record["max_frames"])
        failed = {entry["clip"] for entry in record["failed"]}
        wanted = [item for item in items if item.id not in failed]
        with progress(len(wanted), "clips", f"measure {record['method']} {task}") as bar:
            for item in wanted:
                kept.append(_measure(measurer, item, generated / f"{item.id}.mkv", clip_set))
                rows.append({"clip": item.id, "identity": item.identity, "frames": item.frames, **kept[-1].values})
                bar.advance()
    sets = set_values(measurer.metrics, kept, [row["identity"] for row in rows]) if rows else {}
    _write(out, rows, sets, measurer, record, tier, common_reasons(kept))
    return rows


def _measure(measurer: Measurer, item: Item, video: Path, clips: ClipSet) -> Measured:
    if not video.is_file():
        raise EvaluationError(f"{video} is missing although its run is recorded as complete: generate it again")
    made = probe(video).frames_at(FPS)
    if made != item.frames:
        raise EvaluationError(
            f"{item.id}: the generated video has {made} frames and the truth {item.frames}: generate it again"
        )
    pair = Pair(
        id=item.id,
        identity=item.identity,
        real=Side(_key(item.truth, item.frames), item.true_frames, _sound(item), _key(item.truth)),
        fake=Side(_key(video), lambda: iter_frames(video, fps=FPS), _sound(item), _key(item.truth)),
        source=item.source_frame,
        source_key=_key(item.source, 1),
        truth=lambda: clips.truth(item.motion_of),
    )
    try:
        return measurer.measure(pair)
    except MetricError as error:
        raise EvaluationError(f"{item.id}: {error}") from error


def _sound(item: Item) -> Callable[[], Any]:
    return lambda: item.waveform() if item.has_audio else None


@cache
def _sha256(path: Path) -> str:
    return sha256_file(path)


def _key(path: Path, frames: int | None = None) -> str:
    """The bytes of a video with how many of its frames are read."""
    return f"{_sha256(path)} {frames or 'all'} frames"


def _record(generated: Path, task: str) -> dict[str, Any]:
    path = generated / RECORD
    if not path.is_file():
        raise EvaluationError(f"{path} does not exist: run semo.generate first")
    record = json.loads(path.read_text())
    if record["task"] != task:
        raise EvaluationError(f"{generated} holds task {record['task']}, not {task}")
    return record


def _write(
    out: Path,
    rows: list[dict[str, Any]],
    sets: dict[str, Estimate | None],
    measurer: Measurer,
    record: dict[str, Any],
    tier: str,
    no_value: dict[str, str],
) -> None:
    per_clip = [m for m in measurer.metrics if m.of_set is None]
    names = ["clip", "identity", "frames", *(m.name for m in per_clip)]
    side = {
        "run": record,
        "tier": tier,
        "metrics": {
            m.name: {
                "protocol": m.protocol,
                "variant": m.variant,
                "unit": m.unit,
                "weights_sha256": measurer.weights_sha256(m),
            }
            for m in measurer.metrics
        },
        "sets": {name: asdict(value) for name, value in sets.items() if value is not None},
        "not_run": measurer.not_run,
        "no_value": no_value,
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
    parser.add_argument("--tier", default="bundled", choices=TIERS, help="networks behind the metrics")
    parser.add_argument("--features", type=Path, help="folder where features are kept between evaluations")
    parser.add_argument("--weights-dir", type=Path, help="mirror folder with networks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    limit_threads(args.threads)
    try:
        rows = evaluate(
            args.task, args.generated, args.clips, args.out, args.tier, args.features, args.weights_dir, args.device
        )
    except (EvaluationError, ValueError, OSError) as error:
        print(f"semo.evaluate: {error}", file=sys.stderr)
        return 1
    print(f"{len(rows)} clips measured -> {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
