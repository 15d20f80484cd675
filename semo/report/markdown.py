"""Blocks of rows as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from semo.metrics import metric
from semo.report.definitions import CAPABILITIES, Column
from semo.report.rows import Block, Cell, Row

SHORT_REASON = 32


class Notes:
    """Footnotes of one table: a text gets a letter when first used; `lines` prints them in that order."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, text: str) -> str:
        return self._letters.setdefault(text, _letter(len(self._letters)))

    def lines(self) -> list[str]:
        return [f"- note {letter}: {escape(text)}" for text, letter in self._letters.items()]


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
    """The rows of a block under their header."""
    header = [first, *(column_title(column, block.source == "paper") for column in block.columns)]
    words = all(column.metric in CAPABILITIES for column in block.columns)
    return grid(header, [_row(row, block.columns, notes) for row in block.rows], numbers=not words)


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


def not_run(reason: str, notes: Notes) -> str:
    """`not run: reason`; a long reason moves to a footnote."""
    if len(reason) <= SHORT_REASON:
        return f"not run: {escape(reason)}"
    return f"not run: note {notes.letter(reason)}"


def counted(cell: Cell, column: Column, notes: Notes, style: str = "") -> str:
    """Value, and below it interval (or spread over seeds) with clips/people."""
    if cell.reason:
        return not_run(cell.reason, notes)
    if cell.value is None:
        return escape(cell.text)
    shown = number(cell.value, column)
    mark = "**" if cell.best else style
    under = f"n {cell.clips}/{cell.people}"
    if cell.low is not None and cell.high is not None:
        under = f"[{number(cell.low, column)}, {number(cell.high, column)}] {under}"
    elif cell.spread is not None:
        under = f"± {number(cell.spread, column)} {under}"
    return f"{mark}{shown}{mark}<br><sub>{under}</sub>"


def _row(row: Row, columns: Sequence[Column], notes: Notes) -> list[str]:
    style = "*" if row.kind in ("bound", "control") else ""
    label = escape(row.label)
    if style:
        label = f"*{label}* ({row.kind})"
    elif row.kind in ("released", "long run") and "(released)" not in label:
        label += " (released)"
    return [label, *(counted(row.cells[column], column, notes, style) for column in columns)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"{chr(ord('a') + index // 26 - 1)}{chr(ord('a') + index % 26)}"
