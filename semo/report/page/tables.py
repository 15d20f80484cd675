"""Blocks of table rows as the page shows them: values, intervals and where they lie in their column."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from semo.metrics import metric
from semo.report import footnotes
from semo.report.definitions import CAPABILITIES, ROLE_NAMES, Column, Table
from semo.report.markdown import column_title, number
from semo.report.measurements import Results
from semo.report.page.verdict import verdict
from semo.report.rival_notes import rival_notes
from semo.report.rows import Block, Cell, Row
from semo.report.tables import Inputs


@dataclass(frozen=True)
class CellView:
    """`sort`: what the column is ordered by; `whisker`: low, value and high in percent of the column's range."""

    shown: str = ""
    under: str = ""
    reason: str = ""
    sort: float | None = None
    best: bool = False
    whisker: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Head:
    """A column: title, what it measures, and which way is better (empty for words)."""

    title: str
    about: str
    better: str


@dataclass(frozen=True)
class RowView:
    """`clips`: whether values of single clips can be shown."""

    id: str
    label: str
    note: str
    kind: str
    cells: list[CellView]
    clips: bool


@dataclass(frozen=True)
class BlockView:
    """`key` names the values of its clips; empty where it has none."""

    source: str
    heading: str
    heads: list[Head]
    rows: list[RowView]
    key: str = ""


@dataclass(frozen=True)
class RoleView:
    """The blocks of one data set, and the verdict on them."""

    name: str
    blocks: list[BlockView]
    verdict: list[str]


@dataclass(frozen=True)
class TableView:
    """One table of the paper."""

    id: str
    number: int
    title: str
    first: str
    roles: list[RoleView]
    notes: list[str]


def table_view(table: Table, blocks: Sequence[Block], inputs: Inputs) -> TableView:
    roles = []
    for role in table.roles or ("",):
        own = [block for block in blocks if block.role == role]
        shown = [_block(table, block, inputs.results) for block in own]
        roles.append(RoleView(_role_name(role, own), shown, verdict(table, role, own)))
    first = "Motion" if table.kind == "ablations" else "Method"
    return TableView(table.name, table.number, table.title, first, roles, _notes(table, inputs))


def clip_key(table: Table, role: str) -> str:
    """What the per-clip values of a block are called, in the page and as a file."""
    return re.sub(r"[^a-z0-9_-]", "-", f"{table.name}-{role}".lower())


def clip_values(table: Table, block: Block, results: Results) -> dict[str, Any]:
    """The values of single clips behind a block of this run, one table per task.

    {"tasks": [{"task", "heads": [{"title", "better", "digits"}], "rows": {row id: [[clip, person, value or None, ...]]
    }, "failed": {row id: [[clip, reason]]}}]}; values are as shown, scaled and rounded.
    """
    tasks = []
    for task in dict.fromkeys(column.task for column in block.columns):
        columns = [c for c in block.columns if c.task == task and metric(c.metric).level != "set"]
        rows: dict[str, list[list[Any]]] = {}
        failed: dict[str, list[list[str]]] = {}
        for row in block.rows:
            found = results.measured(task, block.dataset, method_of(table, row))
            if found is None or found.record["status"] != "complete" or not columns:
                continue
            values = [found.values(column.metric) for column in columns]
            rows[row.id] = [
                [clip, person, *(_rounded(v.get(clip), c) for v, c in zip(values, columns, strict=True))]
                for clip, person in found.people.items()
            ]
            if found.record["failed"]:
                failed[row.id] = [[entry["clip"], entry["reason"]] for entry in found.record["failed"]]
        heads = [
            {"title": column_title(c), "better": metric(c.metric).better, "digits": metric(c.metric).digits}
            for c in columns
        ]
        tasks.append({"task": task, "heads": heads, "rows": rows, "failed": failed})
    return {"tasks": tasks}


def method_of(table: Table, row: Row) -> str:
    """The id under which a row of this run was generated and measured."""
    return f"ablation-{row.id}" if table.kind == "ablations" and row.kind != "bound" else row.id


def whisker(low: float, value: float, high: float, span: tuple[float, float]) -> tuple[float, float, float] | None:
    """Positions in percent; None where it does not fit into the span."""
    bottom, top = span
    if top <= bottom or low < bottom or high > top:
        return None
    left, middle, right = (round(100 * (x - bottom) / (top - bottom), 1) for x in (low, value, high))
    return left, middle, right


def span_of(cells: Sequence[Cell]) -> tuple[float, float]:
    """From the lowest to the highest end of the intervals."""
    known = [c for c in cells if c.value is not None]
    ends = [x for c in known for x in (c.value, c.low, c.high) if x is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _block(table: Table, block: Block, results: Results) -> BlockView:
    compared = [row for row in block.rows if row.kind != "bound"] or block.rows
    spans = {column: span_of([row.cells[column] for row in compared]) for column in block.columns}
    run = block.source == "run" and table.kind != "capabilities"
    rows = []
    for row in block.rows:
        found = results.measured(table.task, block.dataset, method_of(table, row)) if run else None
        cells = [_cell(row.cells[column], column, spans[column]) for column in block.columns]
        rows.append(RowView(row.id, row.label, _note(row), row.kind, cells, bool(found and found.rows)))
    heads = [_head(column, block.source == "paper") for column in block.columns]
    key = clip_key(table, block.role) if any(row.clips for row in rows) else ""
    return BlockView(block.source, _heading(block), heads, rows, key)


def _cell(cell: Cell, column: Column, span: tuple[float, float]) -> CellView:
    if cell.reason:
        return CellView(reason=cell.reason)
    if cell.value is None:
        return CellView(shown=cell.text, sort=_number_or_none(cell.text))
    under, place = f"n {cell.clips}/{cell.people}", None
    if cell.low is not None and cell.high is not None:
        under = f"[{number(cell.low, column)}, {number(cell.high, column)}] {under}"
        place = whisker(cell.low, cell.value, cell.high, span)
    elif cell.spread is not None:
        under = f"± {number(cell.spread, column)} {under}"
    return CellView(number(cell.value, column), under, "", cell.value, cell.best, place)


def _head(column: Column, printed: bool) -> Head:
    title = column_title(column, printed)
    if column.metric in CAPABILITIES:
        return Head(title, "", "")
    measure = metric(column.metric)
    return Head(title, "as the paper prints it" if printed else measure.variant, measure.better)


def _note(row: Row) -> str:
    if row.kind == "bound":
        return "bound"
    return "released" if row.kind in ("released", "long run") and "(released)" not in row.label else ""


def _heading(block: Block) -> str:
    if block.source == "paper":
        return f"Paper, their data{f' ({ROLE_NAMES[block.role]}, 256 px)' if block.role in ROLE_NAMES else ''}"
    return f"Long run (released): {block.note}" if block.source == "released" else "This run"


def _role_name(role: str, blocks: Sequence[Block]) -> str:
    name = ROLE_NAMES.get(role, role)
    data = next((block.dataset for block in blocks if block.dataset), "")
    if not role:
        return ""
    return f"{data} (stands for {name})" if data else f"{name}: no data set enabled"


def _notes(table: Table, inputs: Inputs) -> list[str]:
    notes = list(rival_notes(inputs.results, table.task)) if table.kind == "methods" else []
    if table.kind == "ablations":
        notes += [_plain(x) for x in footnotes.against_reference(table, inputs.results, inputs.ablations)]
        notes.append(footnotes.ablation_note(inputs.results, inputs.ablations, table.number))
    if table.kind == "capabilities":
        notes.append("Real-time: at least 25 frames/s from sound, undisturbed.")
        notes.append("Long-term: the longest clip generated in one roll-out, in windows of 16 frames.")
    return [*notes, *table.notes, *(f"On the paper: {note}" for note in table.paper_notes)]


def _plain(markdown: str) -> str:
    """Markdown made by `escape` -> the text it shows."""
    return html.unescape(re.sub(r"\\([\\`*_|\[\]])", r"\1", markdown))


def _number_or_none(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _rounded(value: float | None, column: Column) -> float | None:
    return None if value is None else float(number(value, column))
