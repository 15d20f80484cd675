"""Fig. 5 over time: one unseen person per data set."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from semo.report.figures._style import Sheet, difference
from semo.report.figures._videos import decibels, shown_methods, videos_of
from semo.report.tables import Inputs

TIMES = 7


def figure(inputs: Inputs) -> Figure:
    sheet = Sheet(TIMES + 1)
    for videos in videos_of(inputs, "reconstruct"):
        item = videos.one_per_person(2)[-1]
        truth = videos.truth(item)
        times = np.linspace(0, len(truth) - 1, TIMES).round().astype(int)
        sheet.head(["reference", *(f"{t / 25:.2f} s" for t in times)])
        sheet.row(f"{item.id}\ntarget", [truth[0], *truth[times]])
        frames: list[np.ndarray | str] = ["no SeMo row in this run"] * TIMES
        for name, title in shown_methods(inputs):
            frames = [videos.frame(name, item, int(t)) for t in times]
            captions = ["", *(decibels(truth[t], frame) for t, frame in zip(times, frames, strict=True))]
            sheet.row(title, [None, *frames], captions)
        shown = [None if isinstance(f, str) else difference(truth[t], f) for t, f in zip(times, frames, strict=True)]
        sheet.row("|difference| × 4\nof the row above", [None, *shown])
    return sheet.figure(
        "Reconstruction over time", "PSNR to the target below each frame. The reference is frame 0 of the clip."
    )
