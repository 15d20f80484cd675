"""Fig. 11: general video, one moving object and two: reconstructed by a model trained on both, unseen objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
USED = 0.5  # dB: a model to which the motion brings less says nothing about one object or two


@dataclass(frozen=True)
class Sample:
    """A test clip, uint8 (T, S, S, 3), and what was made of its frames after the first, the reference.

    PSNR on moving pixels in dB: of what was made, of what the model makes with the reference's own motion, which tells
    what it fills in without being told, and of copies of the reference.
    """

    truth: np.ndarray
    made: np.ndarray
    psnr: float
    still: float
    copied: float

    @property
    def gain(self) -> float:
        return self.psnr - self.copied

    @property
    def by_motion(self) -> float:
        return self.psnr - self.still


Samples = Mapping[str, Mapping[str, Sample]]  # by kind, then by number: a number is the same scene in both kinds


def figure(inputs: Inputs) -> Figure:
    model = _model(inputs)
    samples = {kind: _samples(inputs, model, kind) for kind in KINDS}
    return _draw(samples)


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
        still = np.stack(list(model.reconstruct(truth[0], iter(truth[:1]), steps, seed)))
        videos = (made, still.repeat(len(made), 0), truth[:1].repeat(len(made), 0))
        measured = (metric("psnr_moving").clip(truth[1:], video, truth[0]) for video in videos)
        values = [value for value in measured if value is not None]
        if len(values) == len(videos):
            found[clip.clip.rsplit("-", 1)[1]] = Sample(truth, made, *values)
    return found


def change_of_gain(samples: Samples) -> Estimate:
    """What the second object changes in the gain over copying, paired over the scenes."""
    one, two = ({number: sample.gain for number, sample in samples[kind].items()} for kind in KINDS)
    return paired_difference(two, one, {number: number for number in one})


def _draw(samples: Samples) -> Figure:
    sheet = Sheet(TIMES + 1)
    one, two = (samples[kind] for kind in KINDS)
    shared = sorted(one.keys() & two.keys(), key=lambda number: two[number].gain - one[number].gain)
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
        finding(samples),
        f"{len(shared)} scenes of objects that were not trained on, each with one of them alone and with both. Points "
        "are means with 95 % intervals over the scenes, lines join the two clips of a scene. Without motion: the model "
        "is given the reference's own. Pictures: the scene with the median change of gain, PSNR of whole frames. The "
        "reference is frame 0. Trained without mask, which costs a short training the use of the motion.",
        charts=CHARTS,
    )
    _charts(figure, samples)
    return figure


def _charts(figure: Figure, samples: Samples) -> None:
    width, height = figure.get_size_inches() * DPI
    low, tall = (height - CHARTS + 14) / height, (CHARTS - 50) / height
    levels, gains = (figure.add_axes((x / width, low, 440 / width, tall)) for x in (60, 590))
    _pairs(levels, samples, lambda s: s.copied, "copy-reference", "copying the reference", -0.24)
    _pairs(levels, samples, lambda s: s.still, "other", "SeMo without motion", 0.0)
    _pairs(levels, samples, lambda s: s.psnr, "semo", "SeMo", 0.24)
    levels.set_ylabel("PSNR of moving pixels, dB")
    _pairs(gains, samples, lambda s: s.gain, "semo", "SeMo over copying", -0.14)
    _pairs(gains, samples, lambda s: s.by_motion, "other", "SeMo over SeMo without motion", 0.14)
    gains.axhline(0, color=COLOURS["codec"], linestyle=":", linewidth=1)
    gains.set_ylabel("gain on moving pixels, dB")
    for axes in (levels, gains):
        axes.set_xticks(range(len(KINDS)), list(KINDS.values()))
        axes.set_xlim(-0.5, len(KINDS) - 0.5)
        axes.set_ylim(top=axes.get_ylim()[1] + 0.2 * np.ptp(axes.get_ylim()))  # room for the legend
        axes.legend(loc="upper center", ncols=3, columnspacing=1.2, handletextpad=0.3)


def _pairs(
    axes: Axes, samples: Samples, value: Callable[[Sample], float], colour: str, label: str, shift: float
) -> None:
    """A column of values for each kind, a line for each scene that both have, means with intervals."""
    columns = [{number: value(sample) for number, sample in samples[kind].items()} for kind in KINDS]
    for number in sorted(columns[0].keys() & columns[1].keys()):
        axes.plot(
            [shift, 1 + shift], [column[number] for column in columns], alpha=0.2, linewidth=0.7, color=COLOURS[colour]
        )
    for place, column in enumerate(columns):
        mean = estimate(list(column.values()), list(column))
        spread = None if mean.low is None or mean.high is None else [[mean.mean - mean.low], [mean.high - mean.mean]]
        at = place + shift
        named = label if place == 0 else None
        axes.errorbar(at, mean.mean, spread, fmt="o", capsize=4, label=named, color=COLOURS[colour])
        axes.annotate(f"{mean.mean:.1f}", (at, mean.mean), (7, 6), textcoords="offset points", va="center", fontsize=8)


def finding(samples: Samples) -> str:
    """One sentence: how two objects fare against one, if the model uses the motion at all."""
    means = {name: [float(np.mean([getattr(s, name) for s in samples[kind].values()])) for kind in KINDS]
             for name in ("gain", "by_motion")}  # fmt: skip
    if max(means["by_motion"]) < USED:
        return "This model hardly uses the motion: it adds {:+.1f} dB for one object and {:+.1f} dB for two".format(
            *means["by_motion"]
        )
    change = change_of_gain(samples)
    if change.low is None or change.high is None:
        verdict = "One object and two"
    elif change.low <= 0 <= change.high:
        verdict = "Two objects fare neither worse nor better than one"
    else:
        verdict = f"Two objects fare {'worse' if change.mean < 0 else 'better'} than one"
    return "{}: gain over copying {:+.1f} and {:+.1f} dB".format(verdict, *means["gain"])
