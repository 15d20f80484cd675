"""The user study's part of tables.md: what raters answered, or that nobody was asked."""

from __future__ import annotations

import json
from pathlib import Path

from semo.report.markdown import escape, grid

NOT_RUN = (
    "not run: nobody has been asked. `semo study build` makes a page with blinded pairs of this run's videos and the"
    " four questions of Figure 8; `semo study tally ANSWERS... -o reports/study/tally.json` counts what raters saved."
)


def study_lines(folder: Path) -> list[str]:
    """Markdown of the section; `folder` holds `tally.json` once there are answers."""
    lines = ["## User study (Figure 8)", ""]
    file = folder / "tally.json"
    if not file.is_file():
        return [*lines, NOT_RUN, ""]
    counted = json.loads(file.read_text(encoding="utf-8"))
    methods = sorted({method for wins in counted["wins"].values() for method in wins})
    rows = []
    for dimension, wins in counted["wins"].items():
        alpha = counted["agreement"][dimension]["alpha"]
        cells = [_cell(wins[method]) if method in wins else "" for method in methods]
        rows.append([escape(dimension), *cells, "" if alpha is None else f"{alpha:+.2f}"])
    text = (
        f"Share of comparisons won, with 95 % interval over {counted['raters']} raters; {counted['comparisons']}"
        f" comparisons, {len(counted['excluded'])} raters not counted. Agreement is Krippendorff's alpha."
    )
    return [*lines, text, "", *grid(["Question", *map(escape, methods), "Agreement"], rows), ""]


def _cell(won: dict) -> str:
    interval = f"<br><sub>[{won['low']:.2f}, {won['high']:.2f}]</sub>" if won["low"] is not None else ""
    return f"{won['mean']:.2f}{interval}"
