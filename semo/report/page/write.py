"""Gather a run, render it, write `index.html` with its folder `page/`; an earlier page stays until both are there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from semo.report import footnotes
from semo.report.page import charts, rulegraph
from semo.report.page.facts import facts
from semo.report.page.gains import gain_table
from semo.report.page.missing import missing
from semo.report.page.tables import clip_key, clip_values, table_view
from semo.report.page.wall import wall
from semo.report.tables import Inputs, build, figure_captions, write_text

HERE = Path(__file__).parent
FOLDER = "page"
TITLE = "SeMo report"


@dataclass(frozen=True)
class Written:
    """How much was written; megabytes of `index.html` and its folder."""

    tables: int
    videos: int
    megabytes: float


def write_page(inputs: Inputs, out: Path, root: Path, rules: Path | None = None) -> Written:
    """Write the page of one run.

    `rules`: the graph of the workflow's rules as Snakemake prints it; the page says so where it is missing. What the
    run did not make is named on the page with its reason. Raises ReportError or OSError for unreadable inputs.
    """
    folder = out.with_name(FOLDER)
    partial = out.with_name(f".{FOLDER}.{os.getpid()}.partial")
    try:
        shutil.copytree(HERE / "assets", partial)
        tables = build(inputs)
        for name, values in _clip_files(tables, inputs).items():
            write_text(partial / "clips" / f"{name}.js", _script(f"clips[{json.dumps(name)}]", values))
        videos = wall(inputs, partial / "videos")
        data = {
            "wall": videos,
            "curves": charts.curves(inputs.results),
            "cost": charts.cost(inputs.results),
        }
        write_text(partial / "data.js", _script("data", data))
        text = _render(_context(inputs, tables, videos, out.parent, root, rules))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_text(out, text)
    size = out.stat().st_size + sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return Written(len(tables), sum(len(s["clips"]) for s in videos["sets"]), size / 1e6)


def _context(
    inputs: Inputs, tables: list, videos: dict[str, Any], beside: Path, root: Path, rules: Path | None
) -> dict[str, Any]:
    results = inputs.results
    return {
        "title": TITLE,
        "intro": footnotes.TIER_NOTES.get(results.tier, ""),
        "gains": gain_table(results),
        "missing": missing(tables, results),
        "unseen": videos["missing"],
        "tables": [table_view(table, blocks, inputs) for table, blocks in tables],
        "figures": _figures(beside),
        "facts": facts(results, root),
        "rules": rulegraph.draw(rules.read_text(encoding="utf-8")) if rules and rules.is_file() else None,
        "videos": sum(len(s["clips"]) for s in videos["sets"]),
        "wall": videos,
        "audit": (beside / "audit.md").is_file(),
        "curves": bool(results.training),
    }


def _clip_files(tables: list, inputs: Inputs) -> dict[str, Any]:
    """Name -> values of single clips, for every block of this run that has any."""
    return {
        clip_key(table, block.role): clip_values(table, block, inputs.results)
        for table, blocks in tables
        for block in blocks
        if block.source == "run" and table.kind != "capabilities"
    }


def _figures(beside: Path) -> list[tuple[str, str, bool]]:
    """(name, caption, whether its picture is here)."""
    return [(n, c, (beside / "figures" / f"{n}.png").is_file()) for n, c in figure_captions().items()]


def _script(name: str, content: Any) -> str:
    """A script that sets `SEMO.<name>`: pages opened from disk may run scripts but not read files."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"SEMO.{name} = {text};\n"


def _render(context: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html.j2").render(context)
