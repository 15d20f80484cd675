"""Tables 1-7 as tables.md, as tidy TSV and as a summary for `dvc metrics`."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semo.report import footnotes
from semo.report.capabilities import capability_block
from semo.report.definitions import (
    CAPABILITIES,
    ROLE_NAMES,
    Ablation,
    Column,
    Table,
    load_ablations,
    load_paper,
    load_tables,
)
from semo.report.export import latex, wide_csv
from semo.report.markdown import Notes, block_lines, escape
from semo.report.measurements import Results, load_config
from semo.report.rival_notes import rival_notes
from semo.report.rows import Block, Cell, paper_block, released_blocks, run_block
from semo.report.speed import speed_page, speed_rows
from semo.report.study import study_lines
from semo.report.talk_notes import talk_notes

TIDY = (
    "table",
    "source",
    "role",
    "dataset",
    "row",
    "label",
    "kind",
    "task",
    "metric",
    "value",
    "low",
    "high",
    "clips",
    "people",
    "best",
    "status",
)


@dataclass(frozen=True)
class Inputs:
    """Where a report reads from: one run's results, and the definitions kept in git."""

    results: Results
    definitions: Path
    ablations: list[Ablation]


def load_inputs(config: Path, results: Path, definitions: Path, ablations: Path) -> Inputs:
    """Raises ReportError or OSError with the file at fault."""
    return Inputs(Results(load_config(config), results), definitions, load_ablations(ablations))


def build(inputs: Inputs) -> list[tuple[Table, list[Block]]]:
    """All blocks of all tables, in the order they are printed."""
    return [(table, table_blocks(table, inputs)) for table in load_tables(inputs.definitions / "tables")]


def table_blocks(table: Table, inputs: Inputs) -> list[Block]:
    """This run's block, then released and paper blocks, for every role of the table."""
    paper = load_paper(inputs.definitions / "paper", table)
    if table.kind == "capabilities":
        block = paper_block(table, "", paper)
        return [capability_block(table, inputs.results), *([block] if block else [])]
    blocks: list[Block] = []
    for role in table.roles:
        run = run_block(table, role, inputs.results, inputs.ablations)
        blocks.append(run)
        known = [row.id for row in run.rows if row.kind not in ("bound", "control")]
        blocks += released_blocks(table, role, inputs.definitions / "released", known, inputs.results.tier)
        printed = paper_block(table, role, paper)
        blocks += [printed] if printed else []
    return blocks


def write_table(table: Table, inputs: Inputs, out: Path) -> int:
    """Write one table as tidy TSV, beside it as CSV and LaTeX; returns the number of cells."""
    blocks = table_blocks(table, inputs)
    text = tidy_tsv(table, blocks)
    write_text(out.with_suffix(".csv"), wide_csv(blocks))
    write_text(out.with_suffix(".tex"), latex(table, blocks))
    write_text(out, text)
    return text.count("\n") - 1


def write_page(inputs: Inputs, out: Path, root: Path) -> list[Path]:
    """Write tables.md (`out`), speed.md beside it, summary.json and speed.tsv in the results; returns the paths."""
    tables = build(inputs)
    folder = inputs.results.folder / "tables"
    files = {
        folder / "summary.json": json.dumps(summary(tables), indent=2) + "\n",
        folder / "speed.tsv": _speed_tsv(inputs.results),
        out.with_name("speed.md"): speed_page(inputs.results, root),
        out: page(tables, inputs),
    }
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def page(tables: list[tuple[Table, list[Block]]], inputs: Inputs) -> str:
    """The Markdown of tables.md; equal for equal measurements."""
    lines = ["# Tables 1-7", "", footnotes.intro(inputs.results), "", *footnotes.in_short(inputs.results), ""]
    for table, blocks in tables:
        lines += [f"## Table {table.number}. {escape(table.title)}", "", *_table_lines(table, blocks, inputs)]
    of_run = [block for _, blocks in tables for block in blocks if block.source == "run"]
    shown = {column.metric for block in of_run for column in block.columns}
    lines += [*footnotes.protocol(inputs.results, shown), ""]
    lines += [*study_lines(inputs.definitions / "study"), "## Figures", ""]
    for name, caption in figure_captions().items():
        lines += [f"{escape(caption)}", "", f"![{name.replace('_', ' ')}](figures/{name}.png)", ""]
    return "\n".join(lines)


def tidy_tsv(table: Table, blocks: list[Block]) -> str:
    """One line per cell."""
    lines = []
    for block in blocks:
        for row in block.rows:
            for column in block.columns:
                cell = row.cells[column]
                facts = [table.number, block.source, block.role, block.dataset, row.id, row.label, row.kind]
                lines.append([*facts, column.task, column.metric, *_tidy_cell(cell)])
    return _tsv(list(TIDY), lines)


def summary(tables: list[tuple[Table, list[Block]]]) -> dict[str, Any]:
    """This run's values only: table -> role -> row -> metric -> value."""
    result: dict[str, Any] = {}
    for table, blocks in tables:
        for block in blocks:
            if block.source != "run":
                continue
            for row in block.rows:
                values = {
                    _metric_key(table, column): round(cell.value, 6)
                    for column, cell in row.cells.items()
                    if cell.value is not None
                }
                if values:
                    result.setdefault(table.name, {}).setdefault(block.role, {})[row.id] = values
    return result


def figure_captions() -> dict[str, str]:
    """Figure -> the first line of its module's docstring; the modules are read, not imported."""
    files = sorted((Path(__file__).parent / "figures").glob("[a-z]*.py"))
    return {f.stem: (ast.get_docstring(ast.parse(f.read_text())) or f.stem).split("\n")[0] for f in files}


def write_text(path: Path, text: str) -> None:
    """Write through a temporary name, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _table_lines(table: Table, blocks: list[Block], inputs: Inputs) -> list[str]:
    notes, lines, role = Notes(), [], None
    first = "Motion" if table.kind == "ablations" else "Method"
    for block in blocks:
        if block.source != "paper" and block.role and block.role != role:
            role = block.role
            lines += [f"### {_data_name(block)}", ""]
        lines += [_heading(block, inputs), "", *block_lines(block, notes, first), ""]
        if block.source == "paper":
            if table.kind != "ablations":
                lines += _absent(block, blocks)
    tail = notes.lines()
    if table.kind == "methods":
        ranks = ((role, footnotes.ranking(table, role, blocks)) for role in table.roles)
        tail += [f"- {ROLE_NAMES.get(role, role)}: {escape(text)}" for role, text in ranks if text]
        notes_on_methods = rival_notes(inputs.results, table.task)
        if table.task == "talk":
            notes_on_methods = [*talk_notes(inputs.results, table, blocks), *notes_on_methods]
        tail += [f"- {escape(text)}" for text in notes_on_methods]
    if table.kind == "ablations":
        tail += [f"- {line}" for line in footnotes.against_reference(table, inputs.results, inputs.ablations)]
        tail.append(f"- {escape(footnotes.ablation_note(inputs.results, inputs.ablations, table.number))}")
    if table.kind == "capabilities":
        tail.append("- Real-time: at least 25 frames/s from sound, undisturbed; see [speed.md](speed.md).")
        tail.append("- Long-term: the longest clip generated in one roll-out; SeMo in windows of 16 frames.")
    tail += [f"- {escape(note)}" for note in table.notes]
    tail += [f"- On the paper: {escape(note)}" for note in table.paper_notes]
    return [*lines, *tail, ""] if tail else lines


def _heading(block: Block, inputs: Inputs) -> str:
    if block.source == "paper":
        where = f" ({ROLE_NAMES[block.role]}, 256 px)" if block.role in ROLE_NAMES else ""
        return f"**Paper, their data**{where}"
    if block.source == "released":
        return f"**Long run (released)**{_released_facts(inputs.definitions / 'released' / f'{block.note}.json')}"
    return "**This run**"


def _released_facts(path: Path) -> str:
    if not path.is_file():
        return ""
    facts = json.loads(path.read_text(encoding="utf-8"))
    return f": {escape(facts['summary'])}" if facts.get("summary") else ""


def _data_name(block: Block) -> str:
    name = ROLE_NAMES.get(block.role, block.role)
    return f"{escape(block.dataset)} (stands for {name})" if block.dataset else f"{name}: no data set enabled"


def _absent(block: Block, blocks: list[Block]) -> list[str]:
    """Which of the paper's methods this run has not run: those without a row, and those it trained at toy size."""
    here = {row.id: row.label for other in blocks if other.source == "run" for row in other.rows}
    absent = [row.label for row in block.rows if row.id not in here]
    toys = [row for row in block.rows if row.id != "semo" and here.get(row.id, row.label) != row.label]
    lines = []
    if absent:
        lines += [f"Of these, not run here: {escape(', '.join(absent))} (no such method in this run).", ""]
    if toys:
        made, published = (", ".join(names) for names in ([here[row.id] for row in toys], [row.label for row in toys]))
        lines += [f"{escape(made)}: the architecture at toy size, trained in this run; not run here: the published "
                  f"{escape(published)}.", ""]  # fmt: skip
    return lines


def _metric_key(table: Table, column: Column) -> str:
    if column.metric in CAPABILITIES or column.task == table.task or column.metric.endswith(f"_{column.task}"):
        return column.metric
    return f"{column.metric}_{column.task}"


def _tidy_cell(cell: Cell) -> list[str]:
    if cell.reason:
        return ["", "", "", "", "", "", f"not run: {cell.reason}"]
    if cell.value is None:
        return [cell.text, "", "", "", "", "", "ok"]
    bounds = [f"{bound:.6f}" if bound is not None else "" for bound in (cell.low, cell.high)]
    best = "yes" if cell.best else ""
    return [f"{cell.value:.6f}", *bounds, str(cell.clips), str(cell.people), best, "ok"]


def _tsv(header: list[str], lines: list[list[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(header)
    writer.writerows([[" ".join(str(cell).split()) for cell in line] for line in lines])
    return stream.getvalue()


def _speed_tsv(results: Results) -> str:
    rows = speed_rows(results)
    return _tsv(list(rows[0]) if rows else ["task", "method"], [list(row.values()) for row in rows])
