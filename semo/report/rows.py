"""Blocks of table rows: this run's, the paper's and those of released long runs, never mixed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from semo.metrics import in_tier, metric
from semo.report.definitions import Ablation, Column, Table, read_tsv
from semo.report.measurements import BOUNDS, CONTROLS, NOT_COMPARED, Measured, Results
from semo.stats import Estimate, estimate


@dataclass(frozen=True)
class Cell:
    """A number with its interval and counts, a printed text, or the reason for neither."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    clips: int = 0
    people: int = 0
    spread: float | None = None
    text: str = ""
    reason: str = ""
    best: bool = False

    @classmethod
    def of(cls, result: Estimate) -> Cell:
        return cls(result.mean, result.low, result.high, result.clips, result.people)


@dataclass(frozen=True)
class Row:
    """`kind`: scratch (compared), bound, control, other, released, long run or paper."""

    id: str
    label: str
    kind: str
    cells: dict[Column, Cell]


@dataclass(frozen=True)
class Block:
    """Rows with one header. `source`: run, paper or released; `dataset` is empty for the paper's."""

    source: str
    role: str
    dataset: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""


def run_block(table: Table, role: str, results: Results, ablations: list[Ablation]) -> Block:
    """This run's rows of one role."""
    dataset = results.roles.get(role, "")
    if table.kind == "ablations":
        named = [(a.run, f"ablation-{a.run}") for a in ablations if table.number in a.tables]
    else:
        named = [(name, name) for name in _method_order(results, table.task)]
    columns = tier_columns(table.columns, results.tier)
    controls = [name for name in CONTROLS if name in results.methods and results.does(name, table.task)]
    rows = [_row(table, columns, name, name, dataset, results) for name in (*BOUNDS, *controls)]
    rows += [_row(table, columns, row, name, dataset, results) for row, name in named]
    return Block("run", role, dataset, columns, mark_best(rows))


def tier_columns(columns: Iterable[Column], tier: str) -> tuple[Column, ...]:
    """The columns as a tier fills them, under the names of its own metrics; a column it cannot fill stays."""
    found = ((column, in_tier(column.metric, tier)) for column in columns)
    return tuple(replace(column, metric=measure.name) if measure else column for column, measure in found)


def paper_block(table: Table, role: str, paper: list[dict[str, str]]) -> Block | None:
    """The paper's rows of one role, as printed; None where it has none."""
    columns = tuple(column for column in table.columns if not column.ours)
    rows = [
        Row(
            line["row"],
            line["method"],
            "paper",
            {c: Cell(text=line[c.metric]) if line.get(c.metric) else Cell(reason="not in the paper") for c in columns},
        )
        for line in paper
        if line.get("role", role) == role
    ]
    return Block("paper", role, "", columns, tuple(rows)) if rows else None


def released_blocks(table: Table, role: str, folder: Path, known: Iterable[str], tier: str) -> list[Block]:
    """One block per file of long runs that has rows of this table: mean over seeds, half the range as spread."""
    known = list(known)
    columns = tier_columns(table.columns, tier)
    blocks = []
    for path in sorted(folder.glob("*.tsv")):
        lines = [line for line in read_tsv(path) if line["role"] == role and line["run"] in known]
        present = {line["run"] for line in lines}
        of_run = {run: [x for x in lines if x["run"] == run] for run in known if run in present}
        rows = [_released_row(table, columns, run, found) for run, found in of_run.items()]
        if rows and any(cell.value is not None for row in rows for cell in row.cells.values()):
            blocks.append(Block("released", role, lines[0]["dataset"], columns, mark_best(rows), path.stem))
    return blocks


def mark_best(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Mark the best value of each column among rows that may be compared, where at least two have one."""
    rows = list(rows)
    comparable = [i for i, row in enumerate(rows) if row.kind in ("scratch", "long run")]
    for column in rows[0].cells if rows else ():
        values = {i: rows[i].cells[column].value for i in comparable}
        found = [v for v in values.values() if v is not None]
        if len(found) < 2:
            continue
        top = max(found) if metric(column.metric).better == "higher" else min(found)
        for i, value in values.items():
            if value == top:
                marked = rows[i].cells | {column: replace(rows[i].cells[column], best=True)}
                rows[i] = replace(rows[i], cells=marked)
    return tuple(rows)


def _method_order(results: Results, task: str) -> list[str]:
    """Compared methods that do the task; ablation runs have tables of their own."""
    planned = [n for n in results.methods if not n.startswith("ablation-") and n not in NOT_COMPARED]
    return [*results.externals(task), *(n for n in planned if n.startswith("semo") or results.does(n, task))]


def _row(table: Table, columns: tuple[Column, ...], row: str, method: str, dataset: str, results: Results) -> Row:
    found = results.measured(table.task, dataset, method)
    label = table.labels.get(row) or (found.record["label"] if found else None)
    kind = found.record["kind"] if found else None
    label = label or {"semo": "SeMo"}.get(row, row)
    if kind is None:
        kind = "released" if method.endswith("-released") else "scratch"
        kind = {**dict.fromkeys(BOUNDS, "bound"), **dict.fromkeys(CONTROLS, "control")}.get(method, kind)
    cells = {column: _cell(column, dataset, method, results) for column in columns}
    return Row(row, label, kind, cells)


def _cell(column: Column, dataset: str, method: str, results: Results) -> Cell:
    if metric(column.metric).tier not in ("pixels", results.tier):
        return Cell(reason=f"no network in tier {results.tier}")
    if not dataset:
        return Cell(reason="data set not enabled")
    found = results.measured(column.task, dataset, method)
    if found is None:
        return Cell(reason=_why_absent(column.task, method, results))
    if found.record["status"] != "complete":
        return Cell(reason=found.record["reason"])
    if column.metric in found.not_run:
        return Cell(reason=found.not_run[column.metric])
    return _estimated(found, column.metric)


def _estimated(found: Measured, name: str) -> Cell:
    if metric(name).level == "set":
        result = found.of_set(name)
        return Cell.of(result) if result else Cell(reason="too few clips for a value")
    values = found.values(name)
    if not values:
        return Cell(reason=found.no_value.get(name, "no clip has a value"))
    clips = sorted(values)
    return Cell.of(estimate([values[clip] for clip in clips], [found.people[clip] for clip in clips]))


def _why_absent(task: str, method: str, results: Results) -> str:
    planned = results.methods.get(method)
    if method.startswith("ablation-") and planned is None:
        return "not in this run's budget"
    if planned and planned.get("tasks") is not None and task not in planned["tasks"]:
        if method == "semo" and task == "talk":
            return "no stage 2 in this run"
        return f"does not do the task {task}"
    return "not measured in this run"


def _released_row(table: Table, columns: tuple[Column, ...], run: str, lines: list[dict[str, str]]) -> Row:
    cells = {}
    for column in columns:
        of_column = [x for x in lines if x["metric"] == column.metric and x["task"] == column.task]
        cells[column] = _over_seeds(of_column) if of_column else Cell(reason="not in the released run")
    return Row(run, table.labels.get(run, run), "long run", cells)


def _over_seeds(lines: list[dict[str, str]]) -> Cell:
    values = [float(line["value"]) for line in lines]
    clips, people = int(lines[0]["clips"]), int(lines[0]["people"])
    if len(values) == 1:
        low, high = (float(lines[0][key]) if lines[0][key] else None for key in ("low", "high"))
        return Cell(values[0], low, high, clips, people)
    return Cell(fmean(values), None, None, clips, people, spread=(max(values) - min(values)) / 2)
