"""Fig. 11: general video, one moving object and two: reconstructed by a model trained on both, unseen objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.method import clip_seed
from semo.clips import ClipSet
from semo.errors import MediaError
from semo.metrics import metric
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, DPI, Sheet, difference
from semo.report.figures._videos import decibels
from semo.report.tables import Inputs
from semo.stats import Estimate, estimate, paired_difference

if TYPE_CHECKING:
    from semo.pipeline import SeMoPipeline

KINDS = {"one": "one object", "two": "two objects"}
TIMES = 6
CHARTS = 250  # pixels of height


@dataclass(frozen=True)
class Sample:
    """A test clip, uint8 (T, S, S, 3), what was made of its frames after the first, and their PSNR on moving pixels
    (dB), as made and as copies of the first frame."""

    clip: str
    truth: np.ndarray
    made: np.ndarray
    psnr: float
    copied: float


Samples = Mapping[str, Mapping[str, Sample]]  # by kind, then by number: a number is the same scene in both kinds


def figure(inputs: Inputs) -> Figure:
    model = _model(inputs)
    samples = {kind: _samples(inputs, model, kind) for kind in KINDS}
    change = paired_difference(_gains(samples, "two"), _gains(samples, "one"), {n: n for n in samples["one"]})
    return _draw(samples, change)


def _model(inputs: Inputs) -> SeMoPipeline:
    from semo.pipeline import SeMoPipeline

    folder = Path(inputs.results.folder) / "train" / "objects" / "model"
    if not (folder / "pipeline.json").is_file():
        left_out = not inputs.results.config.get("budgets", {}).get("objects_steps")
        raise MissingInput("no model was trained on moving objects" + " (budgets.objects_steps is 0)" * left_out)
    return SeMoPipeline.from_pretrained(folder)


def _samples(inputs: Inputs, model: SeMoPipeline, kind: str) -> dict[str, Sample]:
    """The test clips of one kind by their numbers; without those in which nothing moves."""
    config = inputs.results.config
    try:
        clips = ClipSet(inputs.results.folder / "clips" / f"objects-{kind}")
    except MediaError as missing:
        raise MissingInput(str(missing)) from missing
    found = {}
    for clip in clips.select("test"):
        truth = clips.frames(clip)
        seed = clip_seed(int(config.get("seed", 0)), "semo", clip.clip)
        steps = config.get("budgets", {}).get("sampler_steps")
        made = np.stack(list(model.reconstruct(truth[0], iter(truth[1:]), steps, seed)))
        values = [metric("psnr_moving").clip(truth[1:], m, truth[0]) for m in (made, truth[:1].repeat(len(made), 0))]
        if values[0] is not None and values[1] is not None:
            found[clip.clip.rsplit("-", 1)[1]] = Sample(clip.clip, truth, made, *values)
    return found


def _gains(samples: Samples, kind: str) -> dict[str, float]:
    """Number of the clip -> dB above copying the reference."""
    return {number: sample.psnr - sample.copied for number, sample in samples[kind].items()}


def _draw(samples: Samples, change: Estimate) -> Figure:
    sheet = Sheet(TIMES + 1)
    one, two = (_gains(samples, kind) for kind in KINDS)
    shared = sorted(one.keys() & two.keys(), key=lambda number: two[number] - one[number])
    shown = shared[len(shared) // 2]
    for kind, title in KINDS.items():
        sample = samples[kind][shown]
        times = np.linspace(1, len(sample.truth) - 1, TIMES).round().astype(int)
        truth, made = sample.truth[times], sample.made[times - 1]
        sheet.head(["reference", *(f"{t / 25:.2f} s" for t in times)])
        sheet.row(f"{title}\ntarget", [sample.truth[0], *truth])
        captions = ["", *(decibels(t, m) for t, m in zip(truth, made, strict=True))]
        sheet.row("SeMo, trained on\nmoving objects", [None, *made], captions)
        sheet.row("|difference| × 4", [None, *(difference(t, m) for t, m in zip(truth, made, strict=True))])
    figure = sheet.figure(
        _finding(samples, change),
        f"{len(shared)} scenes of objects that were not trained on, each with one of them alone and with both. Bars "
        "are means with their 95 % interval over the scenes, lines join the two clips of a scene. Pictures: the scene "
        "with the median change, with the PSNR of whole frames. The reference is frame 0.",
        charts=CHARTS,
    )
    _charts(figure, samples)
    return figure


def _charts(figure: Figure, samples: Samples) -> None:
    width, height = figure.get_size_inches() * DPI
    low = (height - CHARTS + 20) / height
    made, gained = (figure.add_axes((x / width, low, 340 / width, (CHARTS - 62) / height)) for x in (110, 640))
    copies = [{n: s.copied for n, s in samples[kind].items()} for kind in KINDS]
    _pairs(made, copies, COLOURS["copy-reference"], "copying the reference", shift=-0.12)
    own = [{n: s.psnr for n, s in samples[kind].items()} for kind in KINDS]
    _pairs(made, own, COLOURS["semo"], "SeMo", shift=0.12)
    made.legend(loc="upper center", ncols=2)
    made.set_ylabel("PSNR of moving pixels, dB")
    made.set_ylim(top=made.get_ylim()[1] + 0.2 * np.ptp(made.get_ylim()))
    _pairs(gained, [_gains(samples, kind) for kind in KINDS], COLOURS["semo"], "")
    gained.axhline(0, color=COLOURS["copy-reference"], linestyle="--", linewidth=1)
    gained.set_ylabel("gain over copying, dB")


def _pairs(axes: Axes, values: Sequence[Mapping[str, float]], colour: str, label: str, shift: float = 0.0) -> None:
    """Two columns of values, a line for each number that both have, and their means with intervals."""
    at = [place + shift for place in range(len(values))]
    for number in values[0].keys() & values[1].keys():
        axes.plot(at, [v[number] for v in values], "-", color=colour, alpha=0.25, linewidth=0.8)
    for place, column in zip(at, values, strict=True):
        axes.plot([place] * len(column), list(column.values()), ".", color=colour, alpha=0.4, markersize=4)
        mean = estimate(list(column.values()), list(column))
        spread = None if mean.low is None else [[mean.mean - mean.low], [mean.high - mean.mean]]
        axes.errorbar(
            place, mean.mean, spread, fmt="o", color=colour, capsize=4, label=label if place == at[0] else None
        )
        axes.annotate(f"{mean.mean:.1f}", (place, mean.mean), (9, 0), textcoords="offset points", va="center")
    axes.set_xticks(range(len(values)), list(KINDS.values()))
    axes.set_xlim(-0.5, len(values) - 0.5)


def _finding(samples: Samples, change: Estimate) -> str:
    one, two = (float(np.mean(list(_gains(samples, kind).values()))) for kind in KINDS)
    values = f"{one:+.2f} dB over copying for one, {two:+.2f} dB for two"
    if change.low is None or change.high is None:
        return f"Reconstruction of moving objects: {values}"
    if change.low <= 0 <= change.high:
        return f"Two objects are reconstructed neither worse nor better than one: {values}"
    return f"Two objects are reconstructed {'worse' if change.mean < 0 else 'better'} than one: {values}"
