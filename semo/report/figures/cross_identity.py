"""Fig. 7: one person driven by another, with and without masking in training, against the rendered truth."""

from __future__ import annotations

from matplotlib.figure import Figure

from semo.report.figures._style import Sheet
from semo.report.figures._videos import Videos, decibels, most_moved, shown_methods, videos_of
from semo.report.measurements import Results
from semo.report.tables import Inputs

PAIRS = 3
ABLATIONS = (("ablation-T1D512", "with mask"), ("ablation-T1D512-nomask", "without mask"))


def figure(inputs: Inputs) -> Figure:
    ablations = [(name, title) for name, title in ABLATIONS if name in inputs.results.methods]
    methods = [*ablations, *shown_methods(inputs)]
    titles = ["reference A", "driver B", "truth: A as B", *(title for _, title in methods)]
    sheet = Sheet(len(titles))
    sheet.head(titles)
    for videos in videos_of(inputs, "cross"):
        # The ablation runs are measured on one data set: it gets the room.
        has_ablations = any(_mean(inputs.results, videos, name) is not None for name, _ in ablations)
        for item in videos.one_per_person(PAIRS if has_ablations or not ablations else 1):
            truth, source = videos.truth(item), item.source_frame()
            index = most_moved(truth, source)
            driver = list(item.driving_frames())[index]
            frames = [videos.frame(name, item, index) for name, _ in methods]
            captions = [decibels(truth[index], source), "", "", *(decibels(truth[index], f) for f in frames)]
            label = f"{item.source.stem}\nas {item.driving.stem}\nframe {index}"
            sheet.row(label, [source, driver, truth[index], *frames], captions)
    absent = [title for name, title in ABLATIONS if (name, title) not in ablations]
    note = f" SeMo {' and '.join(absent)}: not run: not part of this run." if absent else ""
    return sheet.figure("One person driven by another", _note(inputs) + note)


def _mean(results: Results, videos: Videos, method: str) -> float | None:
    measured = results.measured("cross", videos.dataset, method)
    values = measured.values("psnr_cross") if measured else {}
    return sum(values.values()) / len(values) if values else None


def _note(inputs: Inputs) -> str:
    """Mean over all pairs, so that the chosen frames are not all a reader has."""
    texts = []
    for videos in videos_of(inputs, "cross"):
        named = [*ABLATIONS, *shown_methods(inputs), ("copy-reference", "copy-reference")]
        means = [(title, _mean(inputs.results, videos, name)) for name, title in named]
        found = [f"{title} {value:.2f}" for title, value in means if value is not None]
        if found:
            texts.append(f"{videos.dataset}: {', '.join(found)} dB")
    return "Below each picture its PSNR to the truth. Mean over all pairs: " + "; ".join(texts) + "."
