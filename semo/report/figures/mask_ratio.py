"""Fig. 10: how much of the driving frame the motion encoder needs, for models trained with and without masking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.metrics import metric
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, fit
from semo.report.figures._videos import Videos, decibels, load_model, most_moved, videos_of
from semo.report.tables import Inputs
from semo.stats import paired_difference
from semo.tasks import Item

RATIOS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95)
PEOPLE = 10
FRAMES = 6
MODELS = (("ablation-T1D512", "trained with mask", "masked"), ("ablation-T1D512-nomask", "trained without", "unmasked"))


@dataclass(frozen=True)
class Sample:
    """A few frames of one clip, the reference first."""

    item: Item
    source: np.ndarray
    frames: np.ndarray


def figure(inputs: Inputs) -> Figure:
    videos = videos_of(inputs, "reconstruct")[0]
    samples = [_sample(item) for item in videos.one_per_person(PEOPLE)]
    made, reasons = {}, {}
    for name, title, _ in MODELS:
        try:
            made[name] = _reconstruct(inputs, name, samples)
        except MissingInput as missing:
            reasons[title] = str(missing)
    if not made:
        raise MissingInput("; ".join(f"{title}: {reason}" for title, reason in reasons.items()))
    return _draw(videos, samples, made, reasons)


def _sample(item: Item) -> Sample:
    frames = np.stack(list(item.true_frames()))
    source = frames[0]
    moved = most_moved(frames, source)
    spread = np.linspace(len(frames) // 3, len(frames) - 1, FRAMES - 1).round().astype(int)
    return Sample(item, source, frames[[moved, *spread]])


def _reconstruct(inputs: Inputs, method: str, samples: Sequence[Sample]) -> dict[float, list[np.ndarray]]:
    """Mask ratio -> reconstructed frames of each sample; the noise is the same at every ratio."""
    pipeline = load_model(inputs, method)
    steps = inputs.results.config.get("budgets", {}).get("sampler_steps")
    return {
        ratio: [
            np.stack(list(islice(pipeline.reconstruct(s.source, iter(s.frames), steps, 0, ratio), len(s.frames))))
            for s in samples
        ]
        for ratio in RATIOS
    }


def _values(name: str, samples: Sequence[Sample], made: Sequence[np.ndarray]) -> dict[str, float]:
    """Person -> value, for people that have one."""
    found = {}
    for sample, frames in zip(samples, made, strict=True):
        value = metric(name).clip(sample.frames, frames, sample.source)
        if value is not None:
            found[sample.item.identity] = value
    if not found:
        raise MissingInput("nothing moves in these clips")
    return found


def _draw(videos: Videos, samples: list[Sample], made: dict, reasons: dict[str, str]) -> Figure:
    shown = max(samples, key=lambda s: np.abs(s.frames[0].astype(int) - s.source).mean())
    at = samples.index(shown)
    figure = Figure(figsize=(9.2, 2.9 + 1.45 * (len(made) + 1)), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=[2.9, 1.45 * (len(made) + 1)])
    curves = grid[0].subgridspec(1, 3)
    _means(figure.add_subplot(curves[0, 0]), samples, made)
    _changes(figure.add_subplot(curves[0, 1]), "psnr", samples, made)
    _changes(figure.add_subplot(curves[0, 2]), "psnr_moving", samples, made)
    strips = grid[1].subgridspec(len(made) + 1, len(RATIOS) + 1, width_ratios=[0.9] + [1] * len(RATIOS))
    _strip(figure, strips, 0, shown.item.id, [shown.source, shown.frames[0]], ["reference", "target"])
    for row, (name, title, _) in enumerate([m for m in MODELS if m[0] in made], start=1):
        pictures = [made[name][ratio][at][0] for ratio in RATIOS]
        titles = [f"r = {ratio:g}, {decibels(shown.frames[0], p)}" for ratio, p in zip(RATIOS, pictures, strict=True)]
        _strip(figure, strips, row, title, pictures, titles)
    absent = "".join(f"; {title}: not run: {reason}" for title, reason in reasons.items())
    figure.suptitle(
        f"Share of patches hidden from the motion encoder ({videos.dataset}, {len(samples)} people{absent})",
        fontsize=11,
        fontweight="bold",
    )
    return figure


def _means(axes: Axes, samples: list[Sample], made: dict) -> None:
    for method, title, colour in MODELS:
        if method in made:
            means = [np.mean(list(_values("psnr", samples, made[method][ratio]).values())) for ratio in RATIOS]
            axes.plot(RATIOS, means, "o-", markersize=4, color=COLOURS[colour], label=title)
    copies = [np.repeat(s.source[None], len(s.frames), 0) for s in samples]
    copied = float(np.mean(list(_values("psnr", samples, copies).values())))
    axes.axhline(copied, color=COLOURS["copy-reference"], linestyle="--", label="copy-reference")
    axes.legend(loc="best")
    _labels(axes, "PSNR, dB")


def _changes(axes: Axes, name: str, samples: list[Sample], made: dict) -> None:
    """Change against r = 0 of the same person: people differ far more than ratios do."""
    for method, _, colour in MODELS:
        if method not in made:
            continue
        whole = _values(name, samples, made[method][0.0])
        people = {person: person for person in whole}
        changes = [paired_difference(_values(name, samples, made[method][r]), whole, people) for r in RATIOS]
        axes.plot(RATIOS, [e.mean for e in changes], "o-", markersize=4, color=COLOURS[colour])
        band = [(e.low, e.high) for e in changes if e.low is not None and e.high is not None]
        if len(band) == len(RATIOS):
            low, high = zip(*band, strict=True)
            axes.fill_between(RATIOS, low, high, color=COLOURS[colour], alpha=0.15, linewidth=0)
    _labels(axes, f"change of {metric(name).label}, dB")


def _labels(axes: Axes, text: str) -> None:
    axes.set_xlabel("mask ratio r")
    axes.set_ylabel(text)
    axes.set_xticks(RATIOS, [f"{ratio:g}" if ratio != 0.95 else "" for ratio in RATIOS])


def _strip(figure: Figure, grid, row: int, label: str, pictures: list[np.ndarray], titles: list[str]) -> None:
    side = figure.add_subplot(grid[row, 0])
    side.axis("off")
    side.text(1.0, 0.5, label, ha="right", va="center", fontsize=9, transform=side.transAxes)
    for column, (picture, title) in enumerate(zip(pictures, titles, strict=True), start=1):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(fit(picture, 128), interpolation="nearest")
        axes.set_title(title, fontsize=8)
        axes.axis("off")
