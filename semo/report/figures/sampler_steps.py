"""Sampling steps: quality, sharpness and speed of the decoder at 1 to 8 Euler steps, before and after reflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.metrics import metric
from semo.provenance import device_name
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS
from semo.report.figures._videos import videos_of
from semo.report.tables import Inputs
from semo.tasks import Item

STEPS = (1, 2, 4, 8)
PEOPLE, FRAMES = 6, 8
REPEATS = 5  # of the timing, one frame at a time


@dataclass(frozen=True)
class Point:
    """Means over the frames: PSNR in dB, PSNR of moving pixels in dB, sharpness relative to the truth, frames/s."""

    psnr: float
    moving: float
    sharpness: float
    speed: float


def figure(inputs: Inputs) -> Figure:
    models = _models(inputs)
    samples = [_sample(item) for item in videos_of(inputs, "reconstruct")[0].one_per_person(PEOPLE)]
    found = {title: {steps: _measure(model, samples, steps) for steps in STEPS} for title, model in models.items()}
    return _draw(found)


def sharpness(frames: np.ndarray) -> float:
    """Mean squared Laplacian of the grey frames (T, H, W, 3): fine detail, and noise as well."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    return float(np.mean([cv2.Laplacian(g, cv2.CV_32F)[1:-1, 1:-1] ** 2 for g in grey]))


def _models(inputs: Inputs) -> dict[str, Any]:
    """Title -> pipeline of the last stage before reflow, and of reflow where it was trained."""
    from semo.pipeline import SeMoPipeline

    stages = list(inputs.results.config.get("stages", ()))
    before = [stage for stage in stages if stage != "reflow"]
    shown = [(f"after {before[-1].replace('stage', 'stage ')}", before[-1])] if before else []
    shown += [("after reflow", "reflow")] if "reflow" in stages else []
    models = {}
    for title, stage in shown:
        folder = Path(inputs.results.folder) / "train" / "semo" / stage / "model"
        if (folder / "pipeline.json").is_file():
            models[title] = SeMoPipeline.from_pretrained(folder)
    if not models:
        raise MissingInput("no stage of SeMo was trained in this run")
    return models


def _sample(item: Item) -> np.ndarray:
    """The reference and later frames of a clip."""
    frames = np.stack(list(item.true_frames()))
    later = np.linspace(1, len(frames) - 1, FRAMES).round().astype(int)
    return frames[[0, *later]]


def _measure(model: Any, samples: Sequence[np.ndarray], steps: int) -> Point:
    psnr, moving, sharp = [], [], []
    for frames in samples:
        made = np.stack(list(model.reconstruct(frames[0], iter(frames[1:]), steps)))
        psnr.append(metric("psnr").clip(frames[1:], made, frames[0]))
        moving.append(metric("psnr_moving").clip(frames[1:], made, frames[0]))
        sharp.append(sharpness(made) / max(sharpness(frames[1:]), 1e-9))
    means = (float(np.mean([v for v in values if v is not None])) for values in (psnr, moving, sharp))
    return Point(*means, _speed(model, samples[0], steps))


def _speed(model: Any, frames: np.ndarray, steps: int) -> float:
    """Frames/s, one at a time as `stream` makes them; the median, since other jobs may run beside this one."""
    seconds = []
    for _ in range(REPEATS):
        began = perf_counter()
        made = sum(1 for _ in model.reconstruct(frames[0], iter(frames[1:]), steps, batch=1))
        seconds.append((perf_counter() - began) / made)
    return 1 / median(seconds)


def _draw(found: Mapping[str, Mapping[int, Point]]) -> Figure:
    figure = Figure(figsize=(11.2, 3.0), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    axes = figure.subplots(1, 4)
    colours = (COLOURS["semo"], COLOURS["other"])
    for colour, (title, points) in zip(colours, found.items(), strict=False):
        for ax, name in zip(axes, ("psnr", "moving", "sharpness", "speed"), strict=True):
            ax.plot(STEPS, [getattr(points[s], name) for s in STEPS], "o-", color=colour, label=title)
    titles = ("PSNR, dB", "PSNR of moving pixels, dB", "sharpness / truth's", f"frames/s, {device_name('cpu')}")
    for ax, text in zip(axes, titles, strict=True):
        _labels(ax, text)
    axes[3].set_ylim(0)
    axes[3].axhline(25, color=COLOURS["codec"], linestyle=":", linewidth=1)
    axes[2].axhline(1.0, color=COLOURS["codec"], linestyle=":", linewidth=1)
    axes[0].legend(loc="best")
    figure.suptitle(_finding(found), fontsize=11, fontweight="bold")
    return figure


def _labels(axes: Axes, text: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(STEPS, [str(steps) for steps in STEPS])
    axes.set(xlabel="Euler steps", ylabel=text)


def _finding(found: Mapping[str, Mapping[int, Point]]) -> str:
    title, points = list(found.items())[-1]
    gain = points[STEPS[-1]].psnr - points[1].psnr
    slower = points[1].speed / points[STEPS[-1]].speed
    return (
        f"{title[0].upper()}{title[1:]}, {STEPS[-1]} steps instead of 1 change PSNR by {gain:+.2f} dB"
        f" and take {slower:.1f} times as long"
    )
