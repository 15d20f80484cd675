"""Which task the tables show on which data: what is in no table need not be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def roles_of_tasks(tables: Path) -> dict[str, set[str]]:
    """Task -> roles of the data sets on which a definition (`<tables>/*.yaml`) shows it, in rows or in a column."""
    found: dict[str, set[str]] = {}
    for path in sorted(tables.glob("*.yaml")):
        table: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        columns = [*table.get("columns", ()), *table.get("ours", ())]
        tasks = [table.get("task"), *(column.get("task") for column in columns if isinstance(column, dict))]
        for task in filter(None, tasks):
            found.setdefault(task, set()).update(table.get("roles", ()))
    return found
