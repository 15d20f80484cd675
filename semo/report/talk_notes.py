"""What the reader of Tables 3 and 4 must know of how talking videos were made: protocol, rates, sampling, stand-ins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from baselines.inputs.face import STANDS_IN
from semo.media import FPS
from semo.metrics import metric
from semo.report.definitions import Table
from semo.report.measurements import Results
from semo.report.rows import Block

NO_SAMPLING = ("trained", "precision")  # settings that say nothing of how frames are drawn
LISTENING = ("sync_c", "psnr_moving")  # columns, of whatever tier, in which a control shows what is not earned


def talk_notes(results: Results, table: Table, blocks: Sequence[Block]) -> list[str]:
    """Sentences from the records of this run; those on rivals only where one was made."""
    records = _records(results, table, blocks)
    if not records:
        return []
    notes = [
        "Protocol: the portrait is the first frame of the clip, the sound that of the same clip, every frame is "
        "scored, frame 0 included. Whatever is random is drawn per clip from run seed "
        f"{results.config.get('seed', '?')}, method and clip."
    ]
    notes += [*_rates(records), *_sampling(records), *_faces(records)]
    return notes + [text for block in blocks if block.source == "run" for text in _no_better_than_controls(block)]


def _records(results: Results, table: Table, blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """One record of every method that was made, in the order of the rows."""
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for row in block.rows if block.source == "run" else ():
            measured = results.measured(table.task, block.dataset, row.id)
            if measured and measured.record["status"] == "complete":
                found.setdefault(row.id, measured.record)
    return list(found.values())


def _rates(records: Iterable[dict[str, Any]]) -> list[str]:
    other = [(r["label"], r["native_fps"]) for r in records if r.get("native_fps", FPS) != FPS]
    if not other:
        return []
    rates = ", ".join(f"{label} {rate:g}" for label, rate in other)
    return [f"Made at the frame rates of their originals and resampled to {FPS:g} frames/s, for each frame the nearest "
            f"in time: {rates}. All others are made at {FPS:g}."]  # fmt: skip


def _sampling(records: Iterable[dict[str, Any]]) -> list[str]:
    texts = []
    for record in records:
        chosen = {key: value for key, value in record["settings"].items() if key not in NO_SAMPLING}
        if chosen:
            texts.append(f"{record['label']}: {', '.join(f'{key} {value}' for key, value in chosen.items())}")
    return [f"How frames were drawn. {'; '.join(texts)}."] if texts else []


def _faces(records: Sequence[dict[str, Any]]) -> list[str]:
    notes = []
    for kind, text in STANDS_IN.items():
        labels = [r["label"] for r in records if r.get("faces") == kind]
        if labels:
            notes.append(f"In the place of detectors and 3D face models, for {', '.join(labels)}: {text}.")
    return notes


def _no_better_than_controls(block: Block) -> list[str]:
    """Per column that should reward listening: the compared methods that do not beat the better control."""
    controls = [row for row in block.rows if row.kind == "control"]
    compared = [row for row in block.rows if row.kind in ("scratch", "other", "released")]
    texts = []
    for column in block.columns:
        measure = metric(column.metric)
        sign = 1 if measure.better == "higher" else -1
        held = [sign * v for row in controls if (v := row.cells[column].value) is not None]
        if (measure.stands_for or measure.name) not in LISTENING or not held:
            continue
        below = [row.label for row in compared if (v := row.cells[column].value) is not None and sign * v <= max(held)]
        if below:
            texts.append(f"{measure.label}: {', '.join(below)}")
    where = "; in ".join(texts)
    return [f"{block.dataset}: no better than the better of the two controls in {where}."] if texts else []
