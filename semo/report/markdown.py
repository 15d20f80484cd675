"""Blocks of rows as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from semo.metrics import metric
from semo.report.definitions import CAPABILITIES, Column
from semo.report.rows import Block, Cell, Row

NO_BREAK = "\u00a0"  # a space at which no line ends


class Notes:
    """Why cells of one table are empty: a reason gets a letter when first used; `lines` prints them in that order."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, text: str) -> str:
        return self._letters.setdefault(text, _letter(len(self._letters)))

    def lines(self) -> list[str]:
        return [f"- <sup>{letter}</sup> not run: {escape(text)}" for text, letter in self._letters.items()]


def escape(text: str) -> str:
    """Text that Markdown shows as it is, inside a table cell too."""
    text = " ".join(str(text).split())
    for mark in ("\\", "`", "*", "_", "|", "[", "]"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("<", "&lt;").replace(">", "&gt;")


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> list[str]:
    """A Markdown table; cells are Markdown already. The first column stands left, columns of numbers right."""
    rule = ["---"] + ["---:" if numbers else "---"] * (len(header) - 1)
    return [_line(header), _line(rule), *(_line(row) for row in rows)]


def block_lines(block: Block, notes: Notes, first: str = "Method") -> list[str]:
    """The rows of a block under their header, which holds the counts that a whole column shares."""
    counts = {column: shared_counts(row.cells[column] for row in block.rows) for column in block.columns}
    header = [first]
    for column in block.columns:
        shared = f"<br><sub>{counts[column]}</sub>" if counts[column] else ""
        header.append(column_title(column, block.source == "paper") + shared)
    words = all(column.metric in CAPABILITIES for column in block.columns)
    return grid(header, [_row(row, counts, notes) for row in block.rows], numbers=not words)


def shared_counts(cells: Iterable[Cell]) -> str:
    """`n clips/people` where all cells with a number have the same, else nothing."""
    found = {_counts(cell) for cell in cells if cell.value is not None and not cell.reason}
    return found.pop() if len(found) == 1 else ""


def column_title(column: Column, printed: bool = False) -> str:
    """The header of a column; `printed`: of the paper's numbers, whose scale is the paper's."""
    if column.metric in CAPABILITIES:
        return CAPABILITIES[column.metric]
    measure = metric(column.metric)
    label = measure.label.split(" ×")[0] if printed else measure.label
    return f"{label} {measure.arrow}"


def number(value: float, column: Column, signed: bool = False) -> str:
    """A value as shown: the metric's scale and digits."""
    measure = metric(column.metric)
    shown = round(value * measure.shown_scale, measure.digits) + 0.0  # never -0.00
    return f"{shown:{'+' if signed else ''}.{measure.digits}f}"


def counted(cell: Cell, column: Column, notes: Notes, shared: str = "", style: str = "") -> str:
    """Value, and below it interval (or spread over seeds), with `n clips/people` where it is not the `shared` one."""
    if cell.reason:
        return f"not run<sup>{notes.letter(cell.reason)}</sup>"
    if cell.value is None:
        return escape(cell.text)
    mark = "**" if cell.best else style
    under = []
    if cell.low is not None and cell.high is not None:
        low, high = number(cell.low, column), number(cell.high, column)
        under += [f"[{low},{NO_BREAK}{high}]"] if low != high else []
    elif cell.spread is not None:
        under.append(f"± {number(cell.spread, column)}")
    if _counts(cell) != shared:
        under.append(_counts(cell))
    below = f"<br><sub>{' '.join(under)}</sub>" if under else ""
    return f"{mark}{number(cell.value, column)}{mark}{below}"


def _counts(cell: Cell) -> str:
    return f"n {cell.clips}/{cell.people}"


def _row(row: Row, counts: Mapping[Column, str], notes: Notes) -> list[str]:
    style = "*" if row.kind in ("bound", "control") else ""
    label = escape(row.label)
    if style:
        label = f"*{label}* ({row.kind})"
    elif row.kind in ("released", "long run") and "(released)" not in label:
        label += " (released)"
    return [label, *(counted(row.cells[column], column, notes, n, style) for column, n in counts.items())]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"{chr(ord('a') + index // 26 - 1)}{chr(ord('a') + index % 26)}"
