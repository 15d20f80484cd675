"""Provenance: what made the numbers, with hashes, versions, hardware, seconds and memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semo import provenance
from semo.metrics import all_metrics
from semo.report.definitions import ROLE_NAMES
from semo.report.measurements import Measured, Results
from semo.tasks import TASKS


@dataclass(frozen=True)
class Grid:
    """A table of words and numbers. `numbers`: columns that stand right and sort by value."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    numbers: frozenset[int] = frozenset()
    empty: str = ""


@dataclass(frozen=True)
class Facts:
    """`commit` of the code that wrote the page; `dirty` where tracked files differed from it."""

    commit: str
    dirty: bool
    config: str
    short: list[tuple[str, str]]
    grids: list[Grid]


def facts(results: Results, root: Path) -> Facts:
    revision = provenance.revision(root)
    commit, _, changes = revision.partition("+")
    records = list(_records(results))
    config = results.config
    short = [
        ("Scale", str(config.get("scale", "?"))),
        ("Seed", str(config.get("seed", "?"))),
        ("Frame", f"{config.get('frame_size', '?')} px, 25 frames/s"),
        ("Metric networks", results.tier),
        ("Generated on", _listed(m.record.get("device_name", "?") for *_, m in records) or "nothing was generated"),
        ("Generated with", _listed(_versions(m.record.get("versions", {})) for *_, m in records) or "not recorded"),
        ("Page written on", f"{provenance.cpu_model()}, {_versions(provenance.versions())}"),
    ]
    grids = [_data(results, records), _methods(records), _training(results), _networks(records), _jobs(results)]
    return Facts(commit, bool(changes), json.dumps(config, indent=1, sort_keys=True), short, grids)


def _records(results: Results) -> Iterator[tuple[str, str, str, Measured]]:
    """(method, task, data set, measurement) of everything measured."""
    for task in TASKS:
        for method in [*results.methods, *results.externals(task)]:
            for dataset in dict.fromkeys(results.roles.values()):
                if found := results.measured(task, dataset, method):
                    yield method, task, dataset, found


def _data(results: Results, records: list[tuple[str, str, str, Measured]]) -> Grid:
    rows = []
    for role, dataset in results.roles.items():
        about = _json(results.folder / "clips" / dataset / "dataset.json")
        found = [m.record for _, _, d, m in records if d == dataset]
        splits = _listed(record["clips_sha256"] for record in found) or "not run: no measurement"
        used = _listed(record.get("split", "?") for record in found)
        size = f"{about['frame_size']}" if "frame_size" in about else "?"
        clips = str(max((record.get("clips", 0) for record in found), default=0))
        rows.append([ROLE_NAMES.get(role, role), dataset, used, clips, size, about.get("licence", "?"), splits])
    heads = ["Stands for", "Data set", "Split", "Clips", "px", "Licence", "Manifest and split sha256"]
    return Grid("Data", heads, rows, frozenset({3, 4}))


def _methods(records: list[tuple[str, str, str, Measured]]) -> Grid:
    groups: dict[tuple[str, str], list[Measured]] = {}
    for method, task, _, found in records:
        groups.setdefault((method, task), []).append(found)
    rows = []
    for (_, task), found in groups.items():
        done = [m.record for m in found if m.record["status"] == "complete"]
        first = (done or [found[0].record])[0]
        seconds, memory = sum(r["seconds"] for r in done), max((r["peak_memory_mib"] for r in done), default=0.0)
        settings = ", ".join(f"{key} {value}" for key, value in first["settings"].items()) or "-"
        rows.append(
            [
                first["label"],
                task,
                f"{first['parameters']:,}" if first.get("parameters") else "-",
                f"{first['device_name']}, {first['threads']} thread{'s' if first['threads'] != 1 else ''}",
                f"{seconds:.1f}" if done else f"not run: {first['reason']}",
                f"{memory:.0f}" if done else "-",
                settings,
                first["weights_sha256"] or "none",
            ]
        )
    heads = ["Method", "Task", "Parameters", "Device", "Seconds", "Peak MiB", "Sampler and training", "Weights sha256"]
    return Grid("Methods", heads, rows, frozenset({2, 4, 5}), "Nothing was generated in this run.")


def _training(results: Results) -> Grid:
    rows = []
    for run in results.training:
        stage = f"{run.run.removeprefix('ablation-')}" if run.run.startswith("ablation-") else f"{run.run}-{run.stage}"
        memory = _benchmark(results.folder / "benchmarks/train" / f"{stage}.tsv").get("max_rss", "")
        step, seconds = run.last("step"), run.last("seconds")
        rows.append(
            [
                run.run,
                run.stage,
                f"{step:,.0f}" if step is not None else "-",
                str(run.config.get("batch", "-")),
                f"{seconds:.0f}" if seconds is not None else "-",
                f"{float(memory):.0f}" if memory else "-",
                str(run.config.get("data_sha256", "-")),
            ]
        )
    heads = ["Run", "Stage", "Steps", "Batch", "Seconds", "Peak MiB", "Training data sha256"]
    return Grid("Training runs", heads, rows, frozenset({2, 3, 4, 5}), "Nothing was trained in this run.")


def _networks(records: list[tuple[str, str, str, Measured]]) -> Grid:
    known, found = all_metrics(), {}
    for *_, measured in records:
        for name, about in measured.metrics.items():
            if name in known:
                found.setdefault((name, about.get("protocol", ""), about.get("weights_sha256") or "no network"), None)
    rows = [[known[name].title, known[name].variant, protocol, sha] for name, protocol, sha in found]
    heads = ["Metric", "Definition", "Protocol", "Weights sha256"]
    return Grid("Metrics", heads, rows, frozenset(), "Nothing was measured in this run.")


def _jobs(results: Results) -> Grid:
    """Seconds and memory that Snakemake measured, longest jobs first."""
    rows = []
    for path in sorted((results.folder / "benchmarks").glob("*/*.tsv")):
        line = _benchmark(path)
        if line:
            measured = (_decimal(line.get(key)) for key in ("s", "cpu_time", "max_rss"))
            rows.append([path.parent.name, path.stem, *measured])
    rows.sort(key=lambda row: -float(row[2].replace("-", "0")))
    heads = ["Rule", "Job", "Seconds", "Processor s", "Peak MiB"]
    return Grid("Jobs", heads, rows, frozenset({2, 3, 4}), "The workflow recorded no job.")


def _benchmark(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as stream:
        return next(csv.DictReader(stream, delimiter="\t"), {})


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _decimal(text: str | None) -> str:
    """One digit; `-` for what Snakemake could not measure."""
    try:
        return f"{float(text or ''):.1f}"
    except ValueError:
        return "-"


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _listed(texts: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(str(text) for text in texts if text))
