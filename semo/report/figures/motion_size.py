"""Size of the motion against quality: bits per second of motion tokens and the PSNR they allow, of every ablation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.report.definitions import read_tsv
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, name_points
from semo.report.tables import Inputs
from semo.stats import estimate

BITS, FPS = 16, 25  # of a float16 number; frames per second
NAME = re.compile(r"T(\d+)D(\d+)$")
SHOWN = (
    ("reconstruct", "psnr_moving", "PSNR of moving pixels, dB"),
    ("cross", "psnr_cross", "PSNR cross-identity, dB"),
)


@dataclass(frozen=True)
class Point:
    """A run: how many numbers its motion has per frame, mean over clips with its interval; `seeds` it was run with."""

    run: str
    numbers: int
    value: float
    low: float | None
    high: float | None
    kind: str


def figure(inputs: Inputs) -> Figure:
    shown = [(text, _points(inputs, task, name)) for task, name, text in SHOWN]
    if not any(points for _, points in shown):
        raise MissingInput("no ablation run has a value")
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    for axes, (text, points) in zip(figure.subplots(1, 2), shown, strict=True):
        _scatter(axes, text, points)
    figure.suptitle(_finding(shown[0][1]), fontsize=11, fontweight="bold")
    return figure


def _points(inputs: Inputs, task: str, name: str) -> list[Point]:
    results, points = inputs.results, []
    dataset = results.roles.get("hdtf", "")
    for run in results.methods:
        found = NAME.match(run.removeprefix("ablation-")) if run.startswith("ablation-") else None
        measured = results.measured(task, dataset, run) if found else None
        values = measured.values(name) if measured else {}
        if found and measured and values:
            mean = estimate(list(values.values()), [measured.people[clip] for clip in values])
            numbers = int(found[1]) * int(found[2])
            points.append(Point(found[0], numbers, mean.mean, mean.low, mean.high, "this run"))
    return points + _released(inputs, task, name)


def _released(inputs: Inputs, task: str, name: str) -> list[Point]:
    values: dict[str, list[float]] = {}
    for path in sorted((inputs.definitions / "released").glob("*.tsv")):
        for line in read_tsv(path):
            if (line["task"], line["metric"]) == (task, name) and NAME.match(line["run"]) and line["value"]:
                values.setdefault(line["run"], []).append(float(line["value"]))
    sizes = {run: int(found[1]) * int(found[2]) for run in values if (found := NAME.match(run))}
    return [
        Point(run, sizes[run], fmean(v), min(v) if len(v) > 1 else None, max(v) if len(v) > 1 else None, "released")
        for run, v in values.items()
    ]


def _scatter(axes: Axes, text: str, points: Sequence[Point]) -> None:
    for kind, colour in (("this run", COLOURS["semo"]), ("released", COLOURS["semo-released"])):
        of_kind = [point for point in points if point.kind == kind]
        for point in of_kind:
            spread = None
            if point.low is not None and point.high is not None:
                spread = [[point.value - point.low], [point.high - point.value]]
            axes.errorbar(_kilobits(point), point.value, yerr=spread, fmt="o", color=colour, elinewidth=1, markersize=5,
                          label=kind if point is of_kind[0] else None)  # fmt: skip
    axes.set_xscale("log")
    axes.set(xlabel=f"kbit/s of motion ({BITS}-bit numbers, {FPS} frames/s)", ylabel=text)
    if points:
        axes.margins(x=0.2)
        axes.legend(loc="lower right")
        long_run = {point.run for point in points if point.kind == "released"}  # named once, there
        named = [point for point in points if point.kind == "released" or point.run not in long_run]
        name_points(axes, [(point.run, _kilobits(point), point.value) for point in named], size=7)


def _kilobits(point: Point) -> float:
    return point.numbers * BITS * FPS / 1000


def _finding(points: Sequence[Point]) -> str:
    kinds = [[p for p in points if p.kind == kind] for kind in ("this run", "released")]
    of_run = sorted(max(kinds, key=len), key=lambda p: p.numbers)
    if len(of_run) < 2:
        return "Size of the motion against quality"
    small, large = of_run[0], of_run[-1]
    gain = large.value - small.value
    return f"From {small.numbers} to {large.numbers} numbers a frame: {gain:+.2f} dB on moving pixels"
