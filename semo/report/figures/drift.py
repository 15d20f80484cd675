"""Fig. 9: drift of generated motions over 12 windows, stage 2 trained with and without masked history.

Stage 2 is trained twice on all data sets but one: with up to 20 % of the frames before each window hidden from the
motion encoder, and with nothing hidden. People of the data set left out then speak for 12 windows. Drift is how much
farther from the person's true motions the last windows are than the first.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from baselines.method import clip_seed
from semo.clips import ClipSet
from semo.errors import MediaError
from semo.media import FPS, RATE
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, fit
from semo.report.tables import Inputs
from semo.stats import Estimate, estimate
from semo.tasks import Item, task_items

if TYPE_CHECKING:
    from semo.pipeline import SeMoPipeline

WINDOWS = 12
LATE = 4  # windows at the end that are held against the first one
PEOPLE = 8
HIDDEN = 0.2  # largest share of the patches that the mask hides
SHOWN = (1, 4, 8, 12)
SAMPLES = int(RATE / FPS)  # of sound, for a frame
MODELS = (("mask", "trained with mask", "masked", "o-"), ("nomask", "trained without", "unmasked", ".:"))
MEASURES = ("Mean: from the training mean", "Mean: from the person's true mean", "Deviation within the window")
OWN = 1  # the measure whose growth is the drift


@dataclass(frozen=True)
class Person:
    """A portrait with the sound of a whole roll-out, and the true frames (T, H, W, 3) of the portrait's clip."""

    name: str
    source: np.ndarray
    waveform: np.ndarray
    true: np.ndarray


def figure(inputs: Inputs) -> Figure:
    models = _models(inputs)
    masked = models[MODELS[0][0]]
    if masked.motion_generator is None or masked.motion_stats is None:
        raise MissingInput("its models have no motion generator")
    window = int(masked.motion_generator.config["window"])
    mean, std = (x.float().numpy().astype(np.float64) for x in masked.motion_stats)  # both have the same data
    dataset = inputs.results.config.get("unseen") or list(inputs.results.roles.values())[-1]
    people = _people(inputs.results.folder / "clips" / dataset, window)
    standard = [(_encode(masked, person.true) - mean) / std for person in people]
    own = [motions.mean(0) for motions in standard]
    truth = np.stack([measure(m, o, window).mean(1) for m, o in zip(standard, own, strict=True)])
    found, pictures = {}, {}
    for name, *_ in MODELS:
        motions = [_roll_out(inputs, models[name], person, window) for person in people]
        found[name] = np.stack([measure((m - mean) / std, o, window) for m, o in zip(motions, own, strict=True)])
        starts = [(number - 1) * window for number in SHOWN]
        pictures[name] = [
            _render(inputs, models[name], people[0], motions[0][start : start + window // 2 + 1]) for start in starts
        ]
    hidden = [(_encode(masked, person.true, HIDDEN) - mean) / std for person in people]
    moved = float(np.mean([np.sqrt(((h - m) ** 2).mean()) for h, m in zip(hidden, standard, strict=True)]))
    return _draw(truth, found, people[0], pictures, _note(inputs, dataset, len(people), moved))


def measure(motions: np.ndarray, own: np.ndarray, window: int) -> np.ndarray:
    """MEASURES of each whole window (3, windows) of motions (T, l, d) standardised by the training motions.

    Root mean squares over the dimensions, in training deviations: of the window's mean, of its difference from the
    person's mean `own` (l, d), and of the deviation over time, which is 1 over all training frames.
    """
    count = max(1, len(motions) // window)
    parts = motions[: count * window].reshape(count, -1, own.size)
    means = parts.mean(1)
    return np.stack([np.sqrt((x**2).mean(1)) for x in (means, means - own.reshape(-1), parts.std(1))])


def growth(values: np.ndarray) -> np.ndarray:
    """Change from the first window to the mean of the LATE last ones: values (people, windows) -> (people,)."""
    return values[:, -LATE:].mean(1) - values[:, 0]


def _models(inputs: Inputs) -> dict[str, SeMoPipeline]:
    from semo.pipeline import SeMoPipeline

    config = inputs.results.config
    if "stage2" not in config.get("stages", ()):
        raise MissingInput("stage 2 is not part of this run (budgets.stage2_steps)")
    if not config["budgets"].get("drift_steps"):
        raise MissingInput("its two models are not part of this run (budgets.drift_steps is 0)")
    models = {}
    for name, *_ in MODELS:
        try:
            models[name] = SeMoPipeline.from_pretrained(inputs.results.folder / "train/drift" / name / "model")
        except (OSError, ValueError) as error:
            raise MissingInput(f"the model drift/{name} cannot be loaded ({error})") from error
    return models


def _people(folder: Path, window: int) -> list[Person]:
    """People of the test split, spread over all of them."""
    try:
        items = task_items("talk", ClipSet(folder), "test", 0, 0)
    except MediaError as error:
        raise MissingInput(str(error)) from error
    clips: dict[str, list[Item]] = {}
    for item in items:
        clips.setdefault(item.identity, []).append(item)
    if not clips:
        raise MissingInput(f"{folder.name} has no clip with sound in the split `test`")
    names = sorted(clips)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(PEOPLE, len(names))).round().astype(int))
    return [_person(names[i], clips[names[i]], WINDOWS * window) for i in chosen]


def _person(name: str, items: Sequence[Item], frames: int) -> Person:
    """The sound of the person's clips one after another, repeated where they are too short."""
    sound: list[np.ndarray] = []
    for item in items:
        if sum(map(len, sound)) < frames * SAMPLES:
            sound.append(item.waveform())
    true = np.stack(list(islice(items[0].true_frames(), frames)))
    return Person(name, true[0], np.resize(np.concatenate(sound), frames * SAMPLES), true)


def _roll_out(inputs: Inputs, pipeline: SeMoPipeline, person: Person, window: int) -> np.ndarray:
    """Motions (T, l, d); the noise is the person's, whichever model."""
    steps = inputs.results.config["budgets"].get("motion_sampler_steps")
    m_ref = pipeline.encode_motion(person.source[None])
    made = pipeline.generate_motion(m_ref, person.waveform, WINDOWS * window, steps, _seed(inputs, person))
    return np.concatenate([motion.numpy() for motion in made])


def _encode(pipeline: SeMoPipeline, frames: np.ndarray, mask_ratio: float = 0.0, batch: int = 16) -> np.ndarray:
    """Motions (T, l, d) of frames (T, H, W, 3), a few at a time: large frames take much memory."""
    starts = range(0, len(frames), batch)
    return np.concatenate([pipeline.encode_motion(frames[i : i + batch], mask_ratio, seed=i).numpy() for i in starts])


def _render(inputs: Inputs, pipeline: SeMoPipeline, person: Person, motions: np.ndarray) -> np.ndarray:
    """The frame (S, S, 3) at the end of motions (T, l, d)."""
    import torch

    steps = inputs.results.config["budgets"].get("sampler_steps")
    made = pipeline.render(person.source, lambda _: [torch.from_numpy(motions)], steps, _seed(inputs, person))
    return list(made)[-1]


def _seed(inputs: Inputs, person: Person) -> int:
    return clip_seed(int(inputs.results.config.get("seed", 0)), "semo", f"drift {person.name}")


def _draw(
    truth: np.ndarray,
    found: Mapping[str, np.ndarray],
    shown: Person,
    pictures: Mapping[str, Sequence[np.ndarray]],
    note: str,
) -> Figure:
    """`truth` (people, 3) of true motions, `found` (people, 3, windows) of each model's."""
    figure = Figure(figsize=(9.6, 6.9), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=[3, 1.72, 1.5])
    panels = grid[0].subgridspec(1, len(MEASURES))
    for i, title in enumerate(MEASURES):
        axes = figure.add_subplot(panels[0, i])
        _curves(axes, truth[:, i], {name: values[:, i] for name, values in found.items()})
        axes.set(title=title, xlabel="window", ylabel="training deviations" if i == 0 else "")
        if i == 0:
            axes.legend(loc="lower left")
    for row, (name, title, *_) in enumerate(MODELS):
        titles = [f"portrait ({shown.name})", *(f"window {number}" for number in SHOWN)] if row == 0 else []
        _strip(figure, grid[1 + row], title, [shown.source, *pictures[name]], titles)
    text = _finding({name: growth(values[:, OWN]) for name, values in found.items()})
    figure.suptitle(text.replace("; ", ";\n"), fontsize=11, fontweight="bold")
    figure.supxlabel("\n".join(textwrap.wrap(note, 150)), fontsize=8, color="#444444", x=0.01, ha="left")
    return figure


def _curves(axes: Axes, truth: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
    """Means over people with their intervals; `truth` (people,), `found` (people, windows) of each model."""
    numbers = np.arange(1, WINDOWS + 1)
    lines = [("true motions", COLOURS["copy-reference"], "--", np.repeat(truth[:, None], WINDOWS, 1))]
    lines += [(title, COLOURS[colour], style, found[name]) for name, title, colour, style in MODELS]
    for title, colour, style, values in lines:
        estimates = [_over_people(column) for column in values.T]
        axes.plot(numbers, [e.mean for e in estimates], style, markersize=3.5, color=colour, label=title)
        band = [(e.low, e.high) for e in estimates if e.low is not None and e.high is not None]
        if len(band) == WINDOWS:
            low, high = zip(*band, strict=True)
            axes.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xticks(numbers)
    axes.set_ylim(bottom=0)


def _strip(figure: Figure, place: SubplotSpec, label: str, pictures: Sequence[np.ndarray], titles: list[str]) -> None:
    grid = place.subgridspec(1, 1 + len(pictures), width_ratios=[0.8] + [1] * len(pictures))
    side = figure.add_subplot(grid[0, 0])
    side.axis("off")
    side.text(1.0, 0.5, label, ha="right", va="center", fontsize=9, transform=side.transAxes)
    for column, picture in enumerate(pictures):
        axes = figure.add_subplot(grid[0, 1 + column])
        axes.imshow(fit(picture, 128), interpolation="nearest")
        axes.axis("off")
        if titles:
            axes.set_title(titles[column], fontsize=9)


def _over_people(values: np.ndarray) -> Estimate:
    """The mean of one value for each person."""
    return estimate(values.tolist(), [f"{i:04d}" for i in range(len(values))])


def _finding(drift: Mapping[str, np.ndarray]) -> str:
    """`drift`: growth (people,) with and without mask, each person under both."""
    with_mask, without = drift["mask"], drift["nomask"]
    said = f"Drift over {WINDOWS} windows: {with_mask.mean():+.2f} with mask, {without.mean():+.2f} without"
    return f"{said}; {_verdict(_over_people(without - with_mask))}"


def _verdict(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return f"{difference.people} people are too few to tell them apart"
    interval = f"({difference.mean:+.2f}, 95 % interval {difference.low:+.2f} to {difference.high:+.2f})"
    if difference.low <= 0 <= difference.high:
        return f"no difference beyond chance {interval}"
    return f"the mask {'lessens' if difference.low > 0 else 'adds to'} it {interval}"


def _note(inputs: Inputs, dataset: str, people: int, moved: float) -> str:
    config = inputs.results.config
    unseen = "unseen by both generators (not by encoder and decoder)"
    only = "the only data set of this run, so both generators were trained on it"
    return (
        f"{people} test people of {dataset}, {unseen if config.get('unseen') else only}; "
        f"{config['budgets']['drift_steps']:,} steps each, equal but for the mask; same sound and noise for both. "
        "Of each window's motions, standardised by the training motions: root mean square over the dimensions of mean "
        f"and deviation. Drift: change of the middle panel from window 1 to the last {LATE}. Bands: 95 % over people. "
        f"Hiding {100 * HIDDEN:.0f} % of a frame moves its motion by {moved:.2f} training deviations."
    )
