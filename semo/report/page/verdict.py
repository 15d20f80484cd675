"""How far this run and the paper agree, in sentences: cells inside our intervals, and the order of the methods."""

from __future__ import annotations

from collections.abc import Sequence

from semo.metrics import metric
from semo.report.definitions import CAPABILITIES, Column, Table
from semo.report.footnotes import ranking, stands_for
from semo.report.markdown import column_title
from semo.report.rows import Block, Cell

NO_SCALE = {"l1": "the paper gives it no unit"}  # metric -> why the paper's number cannot be held against ours


def verdict(table: Table, role: str, blocks: Sequence[Block]) -> list[str]:
    """Sentences on one role of a table; the last block of this run that has the role is meant."""
    ours, paper = (next((b for b in blocks if b.source == s and b.role == role), None) for s in ("run", "paper"))
    if ours is None or paper is None:
        return ["The paper has no such table."]
    if table.kind == "capabilities":
        return [_same_answers(ours, paper)]
    return [_inside(ours, paper), ranking(table, role, blocks) or _no_ranking(ours, paper)]


def _same_answers(ours: Block, paper: Block) -> str:
    printed = {row.id: row for row in paper.rows}
    pairs = [
        (row.cells[column].text, printed[row.id].cells[column].text)
        for row in ours.rows
        if row.id in printed
        for column in ours.columns
        if column in paper.columns and row.cells[column].text and printed[row.id].cells[column].text
    ]
    if not pairs:
        return "No answer of this run has one of the paper beside it."
    same = sum(mine.startswith(theirs) for mine, theirs in pairs)
    return f"{same} of {len(pairs)} answers are the paper's."


def _inside(ours: Block, paper: Block) -> str:
    printed = {row.id: row for row in paper.rows}
    counted, left_out = [], {}
    inside = cells = 0
    for column in ours.columns:
        theirs = _paper_column(column, paper)
        if theirs is None:
            continue
        reason = NO_SCALE.get(column.metric) if theirs == column else "another network than the paper's"
        if reason:
            left_out.setdefault(reason, []).append(column_title(column).split(" ")[0])
            continue
        found = [
            _within(row.cells[column], printed[row.id].cells[theirs], column) for row in ours.rows if row.id in printed
        ]
        found = [answer for answer in found if answer is not None]
        if found:
            counted.append(metric(column.metric).title)
        cells, inside = cells + len(found), inside + sum(found)
    text = f"The paper's number lies inside this run's 95 % interval in {inside} of {cells} cells"
    text += f" ({', '.join(counted)})." if counted else "."
    if left_out:
        text += " Not counted: " + "; ".join(f"{', '.join(names)} ({why})" for why, names in left_out.items()) + "."
    return text


def _paper_column(column: Column, paper: Block) -> Column | None:
    if column.metric in CAPABILITIES:
        return None
    return next((c for c in paper.columns if c.task == column.task and c.metric == stands_for(column.metric)), None)


def _within(ours: Cell, paper: Cell, column: Column) -> bool | None:
    """None where one of the two has no number or ours no interval."""
    if ours.low is None or ours.high is None or not paper.text:
        return None
    scale = metric(column.metric).shown_scale
    return ours.low * scale <= float(paper.text) <= ours.high * scale


def _no_ranking(ours: Block, paper: Block) -> str:
    measured = {row.id for row in ours.rows if any(cell.value is not None for cell in row.cells.values())}
    common = measured & {row.id for row in paper.rows}
    few = f"{len(common)} method{'' if len(common) == 1 else 's'}"
    return f"Kendall's tau of the rankings: not run: {few} in common with the paper, three are needed."
