"""Table 1 from measurements: labels used, longest roll-out, speed against 25 frames per second."""

from __future__ import annotations

from semo.report.definitions import Column, Table
from semo.report.measurements import NOT_COMPARED, Measured, Results
from semo.report.rows import Block, Cell, Row

REAL_TIME = 25.0
WINDOW = 16
ONLY_PORTRAITS = "only portraits here"


def capability_block(table: Table, results: Results) -> Block:
    """Rows of the methods that talk; verdicts only, so that two runs agree: the speeds are in speed.md."""
    planned = [n for n in results.methods if not n.startswith("ablation-") and n not in NOT_COMPARED]
    names = [n for n in planned if n.startswith("semo") or results.does(n, table.task)]
    rows = []
    for name in names:
        found = [m for d in dict.fromkeys(results.roles.values()) if (m := results.measured(table.task, d, name))]
        done = [m for m in found if m.record["status"] == "complete"]
        label = found[0].record["label"] if found else {"semo": "SeMo"}.get(name, name)
        kind = "released" if name.endswith("-released") else "scratch"
        tried = name == "semo" and bool(results.config.get("budgets", {}).get("objects_steps"))
        elsewhere = "only portraits here; the figure objects tries SeMo on moving boxes" if tried else ONLY_PORTRAITS
        rows.append(Row(name, label, kind, _cells(table, done, found, elsewhere)))
    return Block("run", "", "", table.columns, tuple(rows))


def generation_speed(done: list[Measured]) -> float | None:
    """Frames per second over all data sets; None where no time was measured."""
    return _rate(done, "seconds")


def undisturbed_speed(done: list[Measured]) -> float | None:
    """Frames per second as if nothing else ran: per processor second on one CPU thread, else as measured."""
    alone = all(m.record["device"] == "cpu" and m.record["threads"] == 1 for m in done)
    return _rate(done, "cpu_seconds" if alone else "seconds")


def _rate(done: list[Measured], key: str) -> float | None:
    seconds = sum(m.record[key] for m in done)
    return sum(m.record["frames"] for m in done) / seconds if seconds > 0 else None


def _cells(table: Table, done: list[Measured], found: list[Measured], elsewhere: str) -> dict[Column, Cell]:
    if not done:
        reason = found[0].record["reason"] if found else "not measured in this run"
        return {column: Cell(reason=reason) for column in table.columns}
    record = done[0].record
    longest = max(m.record["longest"] for m in done)
    speed = undisturbed_speed(done)
    windows = -(-longest // WINDOW)
    labels = record["labels"]
    rolled = f", {windows} × {WINDOW}" if found[0].record["plugin"] == "semo" else ""
    texts = {
        "unsupervised": "no: " + ", ".join(labels) if labels else "yes: no labels used",
        "long_term": f"{'yes' if windows > 1 else 'no'}: {longest} frames{rolled}",
        "real_time": "yes" if (speed or 0.0) >= REAL_TIME else "no",
    }
    cells = {}
    for column in table.columns:
        text = texts.get(column.metric)
        cells[column] = Cell(text=text) if text else Cell(reason=elsewhere)
    if speed is None:
        cells = {c: Cell(reason="no time measured") if c.metric == "real_time" else x for c, x in cells.items()}
    return cells
