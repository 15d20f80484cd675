"""Table 2's methods side by side: one unseen person per data set, at three moments."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from semo.report.figures._style import Sheet
from semo.report.figures._videos import compared_methods, decibels, videos_of
from semo.report.tables import Inputs

MOMENTS = 3


def figure(inputs: Inputs) -> Figure:
    methods = compared_methods(inputs, "reconstruct")
    sheet = Sheet(2 + len(methods))
    sheet.head(["reference", "target", *(label for _, label in methods)])
    for videos in videos_of(inputs, "reconstruct"):
        item = videos.one_per_person(2)[-1]
        truth, source = videos.truth(item), item.source_frame()
        for index in np.linspace(0, len(truth) - 1, MOMENTS + 1).round().astype(int)[1:]:
            target = truth[index]
            frames = [videos.frame(name, item, int(index)) for name, _ in methods]
            captions = [decibels(target, source), "", *(decibels(target, frame) for frame in frames)]
            sheet.row(f"{item.id}\n{index / 25:.2f} s", [source, target, *frames], captions)
    return sheet.figure(
        "Every method on the same frames",
        "Reference: frame 0 of the clip. Below each picture its PSNR to the target. Names ending in -mini: "
        "architectures of the rivals at toy size, trained in this run; they are not the published models.",
    )
