"""Table definitions (`reports/tables/*.yaml`), the paper's numbers (`reports/paper/*.tsv`) and ablation rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from semo.metrics import all_metrics

KINDS = ("methods", "ablations", "capabilities")
CAPABILITIES = {
    "unsupervised": "Unsupervised",
    "long_term": "Long-term modelling",
    "real_time": "Real-time generation",
    "generic": "Generic pipeline",
}
ROLE_NAMES = {"hdtf": "HDTF", "dh_facevid": "DH-FaceVid-1K", "mead": "MEAD"}
_KEYS = {
    "number",
    "title",
    "kind",
    "task",
    "roles",
    "columns",
    "ours",
    "labels",
    "reference",
    "notes",
    "paper_notes",
}


class ReportError(ValueError):
    """A definition or an input of the report is wrong; one sentence with the file."""


@dataclass(frozen=True)
class Column:
    """A metric of one task; `ours` marks what the paper's table does not have."""

    metric: str
    task: str
    ours: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what its rows are, which roles it has and which columns.

    `reference`: the row that the others of this run are compared with, clip by clip, below the table.
    """

    number: int
    title: str
    kind: str
    task: str
    roles: tuple[str, ...]
    columns: tuple[Column, ...]
    labels: dict[str, str]
    reference: str
    notes: tuple[str, ...]
    paper_notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"table{self.number}"


@dataclass(frozen=True)
class Ablation:
    """A row of ablations.tsv: the run, the tables it belongs to, its settings as printed."""

    run: str
    tables: tuple[int, ...]
    settings: dict[str, str]


def load_tables(folder: Path) -> list[Table]:
    """All definitions, by number. Raises ReportError."""
    tables = [load_table(path) for path in sorted(folder.glob("*.yaml"))]
    if not tables:
        raise ReportError(f"{folder} holds no table definition (*.yaml)")
    return sorted(tables, key=lambda table: table.number)


def load_paper(folder: Path, table: Table) -> list[dict[str, str]]:
    """The paper's rows of a table, cells as printed; empty where the paper has no such table."""
    path = folder / f"{table.name}.tsv"
    return read_tsv(path) if path.is_file() else []


def load_ablations(path: Path) -> list[Ablation]:
    """Rows of ablations.tsv in file order; empty where the file is absent."""
    rows = read_tsv(path) if path.is_file() else []
    return [
        Ablation(
            run=row["run"],
            tables=tuple(int(number) for number in row["table"].split(",")),
            settings={key: value for key, value in row.items() if key not in ("table", "run")},
        )
        for row in rows
    ]


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated file with a header. Raises ReportError where a row has another number of cells."""
    with open(path, newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        head = next(reader, None)
        if head is None:
            raise ReportError(f"{path} is empty: a header line is expected")
        rows = [row for row in reader if row]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(head):
            raise ReportError(f"{path}, line {number}: {len(row)} cells, the header has {len(head)}")
    return [dict(zip(head, row, strict=True)) for row in rows]


def load_table(path: Path) -> Table:
    """One definition. Raises ReportError for unknown or missing keys and unknown columns."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ReportError(f"{path} is not a mapping of keys")
    unknown, missing = set(content) - _KEYS, {"number", "title", "kind", "task", "columns"} - set(content)
    if unknown or missing:
        wrong = f"unknown key {sorted(unknown)[0]!r}" if unknown else f"key {sorted(missing)[0]!r} is missing"
        raise ReportError(f"{path}: {wrong}")
    if content["kind"] not in KINDS:
        raise ReportError(f"{path}: kind must be one of {', '.join(KINDS)}, not {content['kind']!r}")
    capable = content["kind"] == "capabilities"
    columns = [_column(path, entry, content["task"], False, capable) for entry in content["columns"]]
    columns += [_column(path, entry, content["task"], True, capable) for entry in content.get("ours", [])]
    return Table(
        number=int(content["number"]),
        title=content["title"],
        kind=content["kind"],
        task=content["task"],
        roles=tuple(content.get("roles", [])),
        columns=tuple(columns),
        labels=dict(content.get("labels", {})),
        reference=content.get("reference", ""),
        notes=tuple(content.get("notes", [])),
        paper_notes=tuple(content.get("paper_notes", [])),
    )


def _column(path: Path, entry: Any, task: str, ours: bool, capable: bool) -> Column:
    name, task = (entry["metric"], entry.get("task", task)) if isinstance(entry, dict) else (entry, task)
    known = CAPABILITIES if capable else all_metrics()
    if name not in known:
        raise ReportError(f"{path}: no column {name!r}; known: {', '.join(known)}")
    return Column(name, task, ours)
