"""What this run did not make, and why: cells without a number, clips that failed, rows only the paper has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semo.report.definitions import CAPABILITIES, ROLE_NAMES, Table
from semo.report.markdown import column_title
from semo.report.measurements import Results
from semo.report.rows import Block

MOST_CLIPS = 5  # named per method and data set; the others are counted


@dataclass(frozen=True)
class Missing:
    """`where` in the report, `what` is not there, and the reason."""

    where: str
    what: str
    reason: str


def missing(tables: Sequence[tuple[Table, Sequence[Block]]], results: Results) -> list[Missing]:
    found = [entry for table, blocks in tables for entry in (*_cells(table, blocks), *_only_paper(table, blocks))]
    return [*found, *_failed_clips(results)]


def _cells(table: Table, blocks: Sequence[Block]) -> list[Missing]:
    """One entry for the same columns and reason in several data sets."""
    places: dict[tuple[str, str], list[str]] = {}
    for block in blocks:
        if block.source != "run":
            continue
        reasons: dict[tuple[str, str], list[str]] = {}
        for row in block.rows:
            for column, cell in row.cells.items():
                if cell.reason:
                    reasons.setdefault((row.label, cell.reason), []).append(_title(column_title(column)))
        for (label, reason), columns in reasons.items():
            what = "all columns" if len(columns) == len(block.columns) else ", ".join(columns)
            places.setdefault((f"{label}: {what}", reason), []).append(ROLE_NAMES.get(block.role, block.role))
    where = f"Table {table.number}"
    return [Missing(", ".join(filter(None, (where, *r))), what, reason) for (what, reason), r in places.items()]


def _only_paper(table: Table, blocks: Sequence[Block]) -> list[Missing]:
    here = {row.id for block in blocks if block.source == "run" for row in block.rows}
    absent = dict.fromkeys(r.label for b in blocks if b.source == "paper" for r in b.rows if r.id not in here)
    reason = "no such run in this run's budget" if table.kind == "ablations" else "no such method in this run"
    return [Missing(f"Table {table.number}", f"the paper's {', '.join(absent)}", reason)] if absent else []


def _failed_clips(results: Results) -> list[Missing]:
    found = []
    for method in results.methods:
        for task in ("reconstruct", "cross", "talk"):
            for dataset in dict.fromkeys(results.roles.values()):
                measured = results.measured(task, dataset, method)
                failed = measured.record.get("failed", []) if measured else []
                label = measured.record["label"] if measured else method
                for entry in failed[:MOST_CLIPS]:
                    found.append(Missing(f"{task}, {dataset}", f"{label}: clip {entry['clip']}", entry["reason"]))
                if len(failed) > MOST_CLIPS:
                    more = f"{label}: {len(failed) - MOST_CLIPS} more clips"
                    found.append(Missing(f"{task}, {dataset}", more, "see the record of its generation"))
    return found


def _title(head: str) -> str:
    """A column's name without its arrow."""
    return head if head in CAPABILITIES.values() else head.rsplit(" ", 1)[0]
