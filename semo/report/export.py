"""Tables for papers and spreadsheets: LaTeX with booktabs, and CSV with one line per row of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from semo.report.definitions import CAPABILITIES, ROLE_NAMES, Column, Table
from semo.report.markdown import column_title, number
from semo.report.rows import Block, Cell, Row

ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×": r"$\times$",
    "→": r"$\rightarrow$", "−": r"$-$", "≤": r"$\leq$", "<": r"$<$", ">": r"$>$", "|": r"$|$",
}  # fmt: skip
SOURCES = {"run": "this run", "released": "long run, released", "paper": "the paper's numbers, on its own data"}
FACTS = ("source", "role", "dataset", "row", "label", "kind")


def latex(table: Table, blocks: Sequence[Block]) -> str:
    """One `table` environment per block; needs the package booktabs, and UTF-8 input."""
    head = f"% Table {table.number}. {table.title}\n% \\usepackage{{booktabs}}\n"
    return head + "\n".join(_environment(table, block) for block in blocks if block.rows)


def wide_csv(blocks: Sequence[Block]) -> str:
    """One line per row and data set; of every metric its value, interval, clips and people, or why there is none."""
    columns = list(dict.fromkeys(column for block in blocks for column in block.columns))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*FACTS, *(name for column in columns for name in _names(column))])
    for block in blocks:
        for row in block.rows:
            facts = [block.source, block.role, block.dataset, row.id, row.label, row.kind]
            writer.writerow([*facts, *(part for column in columns for part in _parts(row.cells.get(column)))])
    return stream.getvalue()


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(ESCAPED.get(letter, letter) for letter in " ".join(str(text).split()))


def _environment(table: Table, block: Block) -> str:
    reasons: dict[str, str] = {}
    body = [_line(row, block.columns, reasons) for row in block.rows]
    data = block.dataset or ROLE_NAMES.get(block.role, block.role)
    place = ", ".join(filter(None, (SOURCES[block.source], data)))
    notes = "".join(f" ({mark}) not run: {escape(reason)}." for reason, mark in reasons.items())
    words = all(column.metric in CAPABILITIES for column in block.columns)
    label = "-".join(filter(None, (table.name, block.role, block.source)))
    header = " & ".join(["", *(escape(column_title(column, block.source == "paper")) for column in block.columns)])
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(table.title)} ({escape(place)}).{notes}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{l{('l' if words else 'r') * len(block.columns)}}}",
            r"    \toprule",
            rf"    {header} \\",
            r"    \midrule",
            *(rf"    {line} \\" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _line(row: Row, columns: Sequence[Column], reasons: dict[str, str]) -> str:
    label = escape(row.label)
    if row.kind == "bound":
        label = rf"\textit{{{label}}}"
    return " & ".join([label, *(_cell(row.cells[column], column, reasons) for column in columns)])


def _cell(cell: Cell, column: Column, reasons: dict[str, str]) -> str:
    if cell.reason:
        return f"-- ({reasons.setdefault(cell.reason, str(len(reasons) + 1))})"
    if cell.value is None:
        return escape(cell.text)
    shown = number(cell.value, column)
    shown = rf"\textbf{{{shown}}}" if cell.best else shown
    if cell.low is not None and cell.high is not None:
        return rf"{shown} {{\scriptsize [{number(cell.low, column)}, {number(cell.high, column)}]}}"
    return rf"{shown} {{\scriptsize $\pm$ {number(cell.spread, column)}}}" if cell.spread is not None else shown


def _names(column: Column) -> tuple[str, ...]:
    name = column.metric if column.metric in CAPABILITIES else f"{column.metric}@{column.task}"
    return name, f"{name}_low", f"{name}_high", f"{name}_clips", f"{name}_people"


def _parts(cell: Cell | None) -> tuple[str, ...]:
    if cell is None:
        return ("",) * 5
    if cell.value is None:
        return (f"not run: {cell.reason}" if cell.reason else cell.text, "", "", "", "")
    low, high = cell.low, cell.high
    if cell.spread is not None:
        low, high = cell.value - cell.spread, cell.value + cell.spread
    bounds = ("" if bound is None else f"{bound:.6f}" for bound in (low, high))
    return (f"{cell.value:.6f}", *bounds, str(cell.clips or ""), str(cell.people or ""))
