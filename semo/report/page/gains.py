"""The first numbers on the page: what each method gains over repeating the source frame, where something moves."""

from __future__ import annotations

from dataclasses import dataclass

from semo.report.measurements import BOUNDS, Results
from semo.report.page.tables import CellView, whisker
from semo.stats import Estimate, paired_difference

METRIC = "psnr_moving"
COPY = "copy-reference"


@dataclass(frozen=True)
class GainTable:
    """Rows of methods, columns of (task, data set); `zero` is where no gain lies, in percent of the whiskers."""

    heads: list[tuple[str, str]]
    rows: list[tuple[str, str, list[CellView]]]
    zero: float


def gain_table(results: Results) -> GainTable | None:
    """None where no method has a value beside copy-reference."""
    columns = [(t, d) for t in ("reconstruct", "cross", "talk") for d in dict.fromkeys(results.roles.values())]
    names = [n for n in results.methods if n not in BOUNDS and not n.startswith("ablation-")]
    found = {(n, t, d): gain for n in names for t, d in columns if (gain := _gain(results, n, t, d))}
    if not found:
        return None
    ends = [0.0, *(x for g in found.values() for x in (g.mean, g.low, g.high) if x is not None)]
    span = (min(ends), max(ends))
    heads = [(t, d) for t, d in columns if any((n, t, d) in found for n in names)]
    rows = [
        (n, label_of(results, n), [_cell(found.get((n, t, d)), results.does(n, t), span) for t, d in heads])
        for n in names
        if any((n, t, d) in found for t, d in heads)
    ]
    return GainTable(heads, rows, round(100 * -span[0] / (span[1] - span[0]), 1) if span[1] > span[0] else 0.0)


def label_of(results: Results, method: str) -> str:
    """The name a method goes by in this run, from its records; its id where it left none."""
    for dataset in dict.fromkeys(results.roles.values()):
        for task in ("reconstruct", "cross", "talk"):
            if found := results.measured(task, dataset, method):
                return str(found.record["label"])
    return {"semo": "SeMo"}.get(method, method)


def _gain(results: Results, method: str, task: str, dataset: str) -> Estimate | None:
    ours, copy = (results.measured(task, dataset, name) for name in (method, COPY))
    if not ours or not copy:
        return None
    first, second = ours.values(METRIC), copy.values(METRIC)
    return paired_difference(first, second, copy.people) if first.keys() & second.keys() else None


def _cell(gain: Estimate | None, planned: bool, span: tuple[float, float]) -> CellView:
    if gain is None:
        return CellView(reason="no value" if planned else "does not do this task")
    if gain.low is None or gain.high is None:
        return CellView(f"{gain.mean:+.2f}", f"n {gain.clips}/{gain.people}", "", gain.mean)
    under = f"[{gain.low:+.2f}, {gain.high:+.2f}] n {gain.clips}/{gain.people}"
    return CellView(f"{gain.mean:+.2f}", under, "", gain.mean, False, whisker(gain.low, gain.mean, gain.high, span))
