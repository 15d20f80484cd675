"""Quality on moving pixels against time per frame and against parameters; the times are those of this run's machine."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.report.capabilities import undisturbed_speed
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, CYCLE, name_points
from semo.report.figures._videos import compared_methods
from semo.report.tables import Inputs


@dataclass(frozen=True)
class Point:
    """A method: PSNR of moving pixels in dB, mean over clips of all data sets; cost None where it was not measured."""

    method: str
    label: str
    quality: float
    milliseconds: float | None
    parameters: float | None


def figure(inputs: Inputs) -> Figure:
    methods = compared_methods(inputs, "reconstruct")
    points = [point for name, label in methods if (point := _point(inputs, name, label))]
    if not points:
        raise MissingInput("no method has a value for PSNR moving")
    copy = _point(inputs, "copy-reference", "copy-reference")
    figure = Figure(figsize=(9.4, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _scatter(left, [(p, p.milliseconds) for p in points], copy, "ms per frame, one thread's processor time")
    _scatter(right, [(p, p.parameters) for p in points], copy, "parameters in use")
    left.set_ylabel("PSNR of moving pixels, dB")
    figure.suptitle("Quality against cost", fontsize=11, fontweight="bold")
    return figure


def _point(inputs: Inputs, name: str, label: str) -> Point | None:
    results = inputs.results
    found = [m for d in dict.fromkeys(results.roles.values()) if (m := results.measured("reconstruct", d, name))]
    done = [m for m in found if m.record["status"] == "complete" and m.values("psnr_moving")]
    if not done:
        return None
    quality = fmean(fmean(m.values("psnr_moving").values()) for m in done)
    speed = undisturbed_speed(done)
    return Point(name, label, quality, 1000 / speed if speed else None, done[0].record.get("parameters"))


def _scatter(axes: Axes, values: list[tuple[Point, float | None]], copy: Point | None, title: str) -> None:
    """Points with their names; a method without this cost is left out."""
    shown = [(point, cost) for point, cost in values if cost]
    for colour, (point, cost) in zip(CYCLE * 2, shown, strict=False):
        axes.plot(cost, point.quality, "o", color=COLOURS.get(point.method, colour), markersize=7)
    if copy:
        axes.axhline(copy.quality, color=COLOURS["copy-reference"], linestyle="--")
        place = axes.get_yaxis_transform()
        axes.text(0.02, copy.quality, "copy-reference", fontsize=7, va="bottom", transform=place)
    axes.set_xlabel(title)
    if shown:
        axes.set_xscale("log")
        axes.margins(x=0.3, y=0.15)
        name_points(axes, [(point.label, cost, point.quality) for point, cost in shown])
    else:
        axes.text(0.5, 0.5, "not run: not recorded", ha="center", va="center", transform=axes.transAxes, fontsize=8)
