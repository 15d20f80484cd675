"""Training curves of every stage, ablation run and rival: loss, quality on moving parts, use of the motion."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, CYCLE
from semo.report.measurements import PAPER_ORDER, TrainingRun
from semo.report.rival_notes import SINGLE
from semo.report.tables import Inputs

LINES = ("-", "--", ":")  # first, second, third stage
STAGES = (("stage1", "stage 1"), ("stage1b", "stage 1b"), ("stage2", "stage 2"), ("reflow", "reflow"))


def figure(inputs: Inputs) -> Figure:
    runs = inputs.results.training
    if not runs:
        raise MissingInput("nothing was trained in this run")
    rivals = [run for run in runs if run.stage in SINGLE]
    staged = [run for run in runs if run.run in PAPER_ORDER and run.stage not in SINGLE]
    rows = 2 + bool(rivals) + bool(staged)
    figure = Figure(figsize=(11.4, 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, 4)
    main = {stage: [run for run in runs if (run.run, run.stage) == ("semo", stage)] for stage, _ in STAGES}
    ablations = [run for run in runs if run.run.startswith("ablation-")]
    _stage_losses(panels[0, 0], main)
    _lines(panels[0, 1], main["stage1"], "psnr_moving", "Stage 1: moving parts", "PSNR, dB")
    _lines(panels[0, 2], main["stage1"], "motion_use_db", "Stage 1: cost of shuffled motion", "dB")
    _lines(panels[0, 3], main["stage2"], "explained", "Stage 2: motion explained", "share of its variance")
    _lines(panels[1, 0], ablations, "loss", "Ablations: loss", "loss")
    _lines(panels[1, 1], ablations, "psnr_moving", "Ablations: moving parts", "PSNR, dB")
    _lines(panels[1, 2], ablations, "motion_use_db", "Ablations: cost of shuffled motion", "dB")
    _shared_legend(panels[1, 3], panels[1, 1])
    if rivals:
        _lines(panels[2, 0], rivals, "loss", "Rivals: loss, each its own", "loss")
        panels[2, 0].set_yscale("log")
        _lines(panels[2, 1], rivals, "psnr_moving", "Rivals: moving parts", "PSNR, dB")
        _lines(panels[2, 2], rivals, "motion_use_db", "Rivals: cost of shuffled motion", "dB")
        _shared_legend(panels[2, 3], panels[2, 1])
    if staged:
        _staged(panels[-1], staged)
    figure.suptitle("Training, measured on training clips", fontsize=11, fontweight="bold")
    return figure


def _staged(panels: Sequence[Axes], runs: list[TrainingRun]) -> None:
    """Rivals trained in stages: a colour per rival, a line style per stage."""
    names = list(dict.fromkeys(run.run for run in runs))
    styles = [(CYCLE[names.index(run.run) % len(CYCLE)], LINES[run.order % len(LINES)]) for run in runs]
    _lines(panels[0], runs, "loss", "Talking rivals: loss, each its own", "loss", styles)
    panels[0].set_yscale("log")
    _lines(panels[1], runs, "moving_gain", "Talking rivals: moving parts", "PSNR less that of copying, dB", styles)
    _lines(panels[2], runs, "sound_share", "Talking rivals: cost of other sound", "share of the error", styles)
    _shared_legend(panels[3], panels[0])


def _stage_losses(axes: Axes, runs: dict[str, list[TrainingRun]]) -> None:
    """Losses of the stages against the share of their steps: stages differ in length."""
    axes.set_title("SeMo: loss of each stage")
    for colour, (stage, title) in zip(CYCLE, STAGES, strict=False):
        for run in runs[stage]:
            steps, values = _points(run, "loss")
            if steps:
                share = [step / steps[-1] for step in steps]
                axes.plot(share, values, "o-", markersize=2.5, color=colour, label=f"{title}, {steps[-1]:,.0f} steps")
    _finish(axes, "share of the steps", "loss")
    if axes.lines:
        axes.set_yscale("log")
        axes.set_xlim(0, 3.2)  # the right part is the legend's, which would lie on the curves
        axes.set_xticks([0, 0.5, 1])
        axes.legend(fontsize=7, loc="center right")


def _lines(
    axes: Axes, runs: list[TrainingRun], column: str, title: str, unit: str, styles: Sequence[tuple[str, str]] = ()
) -> None:
    """Curves of one column; `styles`: colour and line of each run."""
    axes.set_title(title)
    for (colour, line), run in zip(styles or [(colour, "-") for colour in CYCLE * 3], runs, strict=False):
        steps, values = _points(run, column)
        if steps:
            axes.plot(steps, values, marker="o", linestyle=line, markersize=2.5, color=colour, label=_label(run))
    if axes.lines and column == "psnr_moving":
        copies = next((found for run in runs if (found := _points(run, "psnr_moving_copy")[1])), None)
        if copies:
            axes.axhline(copies[-1], color=COLOURS["copy-reference"], linestyle="--", label="copy-reference")
    if axes.lines and column == "motion_use_db":
        axes.axhline(0.5, color=COLOURS["copy-reference"], linestyle=":")
        axes.annotate("in use", (1, 0.5), (3, 0), axes.get_yaxis_transform(), "offset points", va="center", fontsize=7)
    _finish(axes, "steps", unit)


def _label(run: TrainingRun) -> str:
    if run.stage in SINGLE:
        return f"{run.run}-{run.stage}"
    return f"{run.run}: {run.stage}" if run.run in PAPER_ORDER else run.run.removeprefix("ablation-")


def _shared_legend(axes: Axes, source: Axes) -> None:
    """One legend for a row of panels: there may be many runs."""
    axes.axis("off")
    handles, labels = source.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="center left", ncols=1 + len(handles) // 14, fontsize=7, handlelength=3)


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if not axes.lines:
        axes.text(0.5, 0.5, "not run: no such training", ha="center", va="center", transform=axes.transAxes, fontsize=8)


def _points(run: TrainingRun, column: str) -> tuple[list[float], list[float]]:
    rows = [row for row in run.curve if row.get(column, "") not in ("", "nan")]
    return [float(row["step"]) for row in rows], [float(row[column]) for row in rows]
