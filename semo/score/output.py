"""What a score looks like: a table for people, JSON for programs, a row per clip for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from semo.metrics import Metric, metric
from semo.provenance import versions
from semo.score.run import Difference, Reading, Score
from semo.score.videos import Pairing
from semo.stats import DRAWS, MIN_PEOPLE, SET_DRAWS, Estimate
from semo.video_writer import replaced_when_complete

PROTOCOL = "semo-score-1"


def document(
    score: Score, pairing: Pairing, reading: Reading, differences: dict[str, Difference], seed: int
) -> dict[str, Any]:
    """The JSON document; its keys are described in reports/metrics.md."""
    return {
        "protocol": {
            "id": PROTOCOL,
            "fps": 25,
            "size": reading.size,
            "length": reading.length,
            "audio": reading.audio,
            "source_frame": "first true frame",
            "interval": f"95 %, bootstrap over identities, then clips; {DRAWS} draws, {SET_DRAWS} or fewer for sets; "
            f"none below {MIN_PEOPLE} identities",
            "seed": seed,
            "versions": versions(),
        },
        "metrics": {m.title: _metric(score, m) for m in score.metrics if m.name in score.estimates},
        "not_run": {metric(name).title: reason for name, reason in score.not_run.items()}
        | {m.title: _why_none(score, m) for m in score.metrics if m.name not in score.estimates},
        "clips": [
            {
                "clip": row.clip,
                "identity": row.identity,
                "status": "failed" if row.reason else "done",
                "reason": row.reason,
                "frames": row.frames,
                "dropped_frames": row.dropped,
                "values": {metric(name).title: value for name, value in row.values.items()},
                "no_value": {metric(name).title: reason for name, reason in row.reasons.items()},
            }
            for row in score.rows
        ],
        "without_partner": {"real": pairing.only_real, "fake": pairing.only_fake},
        "warnings": warnings(score),
        **({"comparison": {metric(n).title: _difference(d) for n, d in differences.items()}} if differences else {}),
    }


def _metric(score: Score, m: Metric) -> dict[str, Any]:
    found = score.estimates[m.name]
    floor = score.floors.get(m.name)
    return {
        "value": found.mean,
        "ci95": _interval(found),
        "n": found.clips,
        "identities": found.people,
        "unit": m.unit,
        "better": m.better,
        "level": m.level,
        "tier": m.tier,
        "variant": m.variant,
        "protocol": m.protocol,
        "weights_sha256": score.weights[m.name],
    } | ({"floor": {"real_real": floor.real, "real_fake": floor.fake, "clips": floor.clips}} if floor else {})


def _why_none(score: Score, m: Metric) -> str:
    reason = score.no_value.get(m.name)
    return f"no clip has a value; usually {reason}" if reason else "no clip has a value"


def _interval(found: Estimate) -> list[float] | None:
    return None if found.low is None or found.high is None else [found.low, found.high]


def _difference(d: Difference) -> dict[str, Any]:
    return {
        "difference": d.estimate.mean,
        "ci95": _interval(d.estimate),
        "n": d.estimate.clips,
        "p": d.p,
        "p_holm": d.p_holm,
    }


def warnings(score: Score) -> list[str]:
    """Sentences on metrics that rest on too little to mean something, on cut videos and on missing intervals."""
    found = []
    for m in score.metrics:
        if m.enough and m.name in score.estimates:
            needed, what, who = m.enough
            have = score.windows[m.name] if what in ("frames", "windows") else score.estimates[m.name].clips
            if have < needed:
                found.append(f"{m.title} rests on {have} {what}; {needed} are the least that mean something ({who})")
    cut = [row for row in score.done if row.dropped]
    if cut:
        most = max(row.dropped for row in cut)
        found.append(f"{len(cut)} pairs have videos of unequal length: only the frames both have were compared "
                     f"(at most {most} left out)")
    people = len({row.identity for row in score.done})
    if people < MIN_PEOPLE:
        found.append(f"no intervals: {people} identities, {MIN_PEOPLE} are the least")
    return found


def table(score: Score, differences: dict[str, Difference]) -> list[list[str]]:
    """Header and rows of text: metric, value, interval, n, tier, protocol."""
    floored = bool(score.floors)
    header = ["metric", "value", "95 % interval", "n", "tier", "protocol"]
    header += ["floor (real/real)", "same size"] if floored else []
    header += ["difference", "95 % interval", "p (Holm)"] if differences else []
    rows = [header]
    for m in score.metrics:
        found = score.estimates.get(m.name)
        if found is None:
            rows.append([f"{m.title} {m.arrow}", f"not run: {_why_none(score, m)}", *[""] * (len(header) - 2)])
            continue
        cells = [f"{m.title} {m.arrow}", _digits(found.mean), _range(found), str(found.clips), m.tier, m.protocol]
        if floored:
            floor = score.floors.get(m.name)
            cells += [_digits(floor.real), _digits(floor.fake)] if floor else ["", ""]
        if differences:
            d = differences.get(m.name)
            cells += [f"{d.estimate.mean:+.4g}", _range(d.estimate), f"{d.p_holm:.3g}"] if d else ["", "", ""]
        rows.append(cells)
    for name, reason in score.not_run.items():
        rows.append([metric(name).title, f"not run: {reason}", *[""] * (len(header) - 2)])
    return rows


def aligned(rows: list[list[str]]) -> str:
    """Columns of equal width; a sentence in the place of a value does not widen its column."""
    widths = [max(len(row[i]) for row in rows if not row[1].startswith("not run")) for i in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def markdown(rows: list[list[str]], notes: list[str]) -> str:
    """The table and its notes as Markdown."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join([*lines, *([""] if notes else []), *(f"- {note}" for note in notes)]) + "\n"


def per_clip(score: Score) -> str:
    """One line per pair: clip, identity, status, frames, a column per metric that has values of single clips."""
    columns = [m for m in score.metrics if m.of_set is None]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["clip", "identity", "status", "reason", "frames", *(m.title for m in columns)])
    for row in score.rows:
        values = ["" if row.values.get(m.name) is None else repr(row.values[m.name]) for m in columns]
        writer.writerow(
            [row.clip, row.identity, "failed" if row.reason else "done", row.reason, row.frames, *values]
        )
    return stream.getvalue()


def write(out: Path, content: dict[str, Any], score: Score, rows: list[list[str]]) -> list[Path]:
    """Write `out` (JSON) with .csv and .md beside it; each appears complete or not at all. Returns the paths."""
    texts = {
        out: json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        out.with_suffix(".csv"): per_clip(score),
        out.with_suffix(".md"): markdown(rows, content["warnings"]),
    }
    for path, text in texts.items():
        with replaced_when_complete(path) as partial:
            partial.write_text(text, encoding="utf-8")
    return list(texts)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"


def _range(found: Estimate) -> str:
    return f"[{_digits(found.low)}, {_digits(found.high)}]" if found.low is not None else "-"
