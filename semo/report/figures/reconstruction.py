"""Fig. 5: unseen people reconstructed, at the frame that differs most from the reference."""

from __future__ import annotations

from matplotlib.figure import Figure

from semo.report.figures._style import Sheet, difference
from semo.report.figures._videos import decibels, most_moved, shown_methods, videos_of
from semo.report.tables import Inputs

PEOPLE = 3
SHORT = {"semo-released": "released"}


def figure(inputs: Inputs) -> Figure:
    methods = shown_methods(inputs)
    titles = ["reference", "target", "codec"]
    titles += [title for _, title in methods] + [f"{SHORT.get(name, title)} |diff| × 4" for name, title in methods]
    sheet = Sheet(len(titles))
    sheet.head(titles)
    for videos in videos_of(inputs, "reconstruct"):
        for item in videos.one_per_person(PEOPLE):
            truth, source = videos.truth(item), item.source_frame()
            index = most_moved(truth, source)
            target = truth[index]
            frames = [videos.frame(name, item, index) for name in ("codec", *(name for name, _ in methods))]
            differences = [None if isinstance(f, str) else difference(target, f) for f in frames[1:]]
            captions = [decibels(target, source), "", *(decibels(target, frame) for frame in frames)]
            sheet.row(f"{item.id}\nframe {index}", [source, target, *frames, *differences], captions)
    return sheet.figure(
        "Reconstruction of unseen people",
        "The frame of each clip that differs most from the reference, its frame 0. Below each picture its PSNR to the "
        "target. codec: the target encoded and decoded, an upper bound. |diff|: absolute difference to the target.",
    )
