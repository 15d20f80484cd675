"""What the motion tokens hold: the true motion read off them by a linear map, and how well they betray the person.

Motion is taken within a clip, tokens and parameters less their means over the clip: what tells people and framings
apart is no motion, and has a panel of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semo.clips import Clip, ClipSet
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, CYCLE
from semo.report.figures._videos import load_model
from semo.report.tables import Inputs

EVERY = 5  # frames of a clip that are used: neighbours tell little new
RIDGES = 10.0 ** np.arange(-3, 6)  # relative to the mean eigenvalue of the tokens' covariance
MODELS = (
    ("semo", "SeMo"),
    ("semo-released", "SeMo (released)"),
    ("ablation-T1D512-nomask", "T1D512 without mask"),
)
PLACES = (("yaw", "pose_deg", 0), ("pitch", "pose_deg", 1), ("roll", "pose_deg", 2), ("shift x", "head_trans", 0),
          ("shift y", "head_trans", 1), ("shift z", "head_trans", 2), ("gaze yaw", "gaze_deg", 0),
          ("gaze pitch", "gaze_deg", 1), ("blink", "blink", None), ("brow", "brow", None))  # fmt: skip
MORPHS = (("mouth open", "mouth-open"), ("pursing", "mouth-pursing"), ("smile", "mouth-corner-puller"))


@dataclass(frozen=True)
class Frames:
    """Frames of one split with their true motion (N, parameters), their clips (numbers) and their people."""

    frames: np.ndarray
    motion: np.ndarray
    clips: np.ndarray
    people: list[str]

    def within(self, values: np.ndarray) -> np.ndarray:
        """Values of the frames (N, ...) less their mean over the clip."""
        sums = np.zeros((self.clips.max() + 1, values.shape[1]))
        np.add.at(sums, self.clips, values)
        return values - (sums / np.bincount(self.clips)[:, None])[self.clips]


@dataclass(frozen=True)
class Probed:
    """`motion`: R² of each parameter on people that neither the model nor the map has seen. `identity`: share of frames
    whose person is named rightly, in another clip than the one the map learned from; `among`: so many people."""

    motion: dict[str, float]
    identity: float | None
    among: int


def figure(inputs: Inputs) -> Figure:
    sets = _clip_sets(inputs)
    splits = {split: _frames(sets, split) for split in ("train", "test", "seen")}
    probed, reasons = {}, []
    for name, title in MODELS:
        try:
            probed[title] = _probe(load_model(inputs, name).encode_motion, splits)
        except MissingInput as missing:
            reasons.append(f"{title}: not run: {missing}")
    if not probed:
        raise MissingInput("; ".join(reasons))
    return _draw(probed, reasons)


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, mean of x and mean of y of linear regression with the penalty that leave-one-out prefers.

    `x` (N, D), `y` (N, K); the penalty is one for all K. Prediction: (x - mean_x) @ weights + mean_y.
    """
    mean_x, mean_y = x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd(x - mean_x, full_matrices=False)
    projected = u.T @ (y - mean_y)
    best, chosen = np.inf, RIDGES[0]
    for penalty in RIDGES * float((s**2).mean()):
        shrink = s**2 / (s**2 + penalty)
        leverage = (u**2 * shrink).sum(1) + 1 / len(x)
        residual = (y - mean_y - u @ (shrink[:, None] * projected)) / np.maximum(1 - leverage, 1e-9)[:, None]
        error = float((residual**2).mean(0).dot(1 / np.maximum(y.var(0), 1e-12)))
        if error < best:
            best, chosen = error, penalty
    return vt.T @ ((s / (s**2 + chosen))[:, None] * projected), mean_x, mean_y


def r_squared(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of the variance explained, per column; 0 for predicting the mean, below 0 for worse."""
    return 1 - ((predicted - true) ** 2).sum(0) / np.maximum(((true - true.mean(0)) ** 2).sum(0), 1e-12)


def _clip_sets(inputs: Inputs) -> list[ClipSet]:
    folder = inputs.results.folder / "clips"
    names = [name for name in dict.fromkeys(inputs.results.roles.values()) if (folder / name / "truth").is_dir()]
    if not any(True for name in names for _ in (folder / name / "truth").glob("*.npz")):
        raise MissingInput("these data sets do not come with their true motion")
    return [ClipSet(Path(folder / name)) for name in names]


def _frames(sets: Sequence[ClipSet], split: str) -> Frames:
    frames, motion, numbers, people = [], [], [], []
    for clips in sets:
        for clip in clips.select(split):
            truth = clips.truth(clip)
            if truth is None:
                continue
            chosen = slice(0, clip.frames, EVERY)
            frames.append(clips.frames(clip)[chosen])
            motion.append(_true_motion(truth)[: clip.frames][chosen])
            numbers += [len(frames) - 1] * len(frames[-1])
            people += [_person(clips, clip)] * len(frames[-1])
    if not frames:
        raise MissingInput(f"no clip of the split {split} comes with its true motion")
    return Frames(np.concatenate(frames), np.concatenate(motion), np.array(numbers), people)


def _person(clips: ClipSet, clip: Clip) -> str:
    return f"{clips.dataset}/{clip.identity}"


def _true_motion(truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """(T, parameters) in the order of `parameters()`."""
    columns = [(truth[key] if i is None else truth[key][:, i]).astype(np.float64) for _, key, i in PLACES]
    names = [str(name) for name in truth["unit_names"]]
    for _, morph in MORPHS:
        used = truth["units"][:, names.index(morph)] if morph in names else np.zeros(len(truth["units"]))
        columns.append(used.astype(np.float64))
    return np.stack(columns, 1)


def parameters() -> list[str]:
    """Names of the probed parameters."""
    return [name for name, *_ in (*PLACES, *MORPHS)]


def _probe(encode, splits: Mapping[str, Frames]) -> Probed:
    tokens = {split: _tokens(encode, part.frames) for split, part in splits.items()}
    train, test = splits["train"], splits["test"]
    weights, _, _ = ridge(train.within(tokens["train"]), train.within(train.motion))
    found = r_squared(test.within(tokens["test"]) @ weights, test.within(test.motion))
    identity, among = _identity(tokens, splits)
    return Probed(dict(zip(parameters(), map(float, found), strict=True)), identity, among)


def _identity(tokens: Mapping[str, np.ndarray], splits: Mapping[str, Frames]) -> tuple[float | None, int]:
    """The person among those with a clip in `train` and another in `seen`, learned from the first."""
    people = sorted(set(splits["train"].people) & set(splits["seen"].people))
    if len(people) < 2:
        return None, len(people)
    number = {person: i for i, person in enumerate(people)}
    first, second = (np.array([number.get(person, -1) for person in splits[s].people]) for s in ("train", "seen"))
    weights, mean_x, mean_y = ridge(tokens["train"][first >= 0], np.eye(len(people))[first[first >= 0]])
    guessed = ((tokens["seen"][second >= 0] - mean_x) @ weights + mean_y).argmax(1)
    return float((guessed == second[second >= 0]).mean()), len(people)


def _tokens(encode, frames: np.ndarray, batch: int = 128) -> np.ndarray:
    parts = [encode(frames[i : i + batch]).flatten(1).float().cpu().numpy() for i in range(0, len(frames), batch)]
    return np.concatenate(parts).astype(np.float64)


def _draw(probed: Mapping[str, Probed], reasons: Sequence[str]) -> Figure:
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3.6, 1])
    for i, (title, found) in enumerate(probed.items()):
        at = np.arange(len(found.motion)) + (i - (len(probed) - 1) / 2) * 0.8 / len(probed)
        colour = (COLOURS["semo"], COLOURS["semo-released"], COLOURS["unmasked"], *CYCLE)[i]
        left.bar(at, [max(0.0, value) for value in found.motion.values()], 0.8 / len(probed), label=title, color=colour)
        if found.identity is not None:
            right.bar(i, found.identity, 0.7, color=colour)
            right.text(i, found.identity + 0.01, f"{found.identity:.0%}", ha="center", fontsize=8)
    left.set(ylim=(0, 1), ylabel="R² on unseen people")
    left.set_xticks(range(len(parameters())), parameters(), rotation=40, ha="right")
    left.set_title("True motion within a clip, read linearly off the tokens", loc="left")
    _chance(right, probed)
    figure.suptitle(_finding(probed), fontsize=11, fontweight="bold")
    for reason in reasons:
        left.plot([], [], " ", label=textwrap.shorten(reason, 60))
    left.legend(loc="upper right")
    return figure


def _chance(axes: Axes, probed: Mapping[str, Probed]) -> None:
    among = max(found.among for found in probed.values())
    axes.set_title(f"Person, of {among}", loc="left")
    axes.set(ylim=(0, 1), ylabel="named rightly, another clip (dashed: chance)")
    axes.set_xticks([])
    if among:
        axes.axhline(1 / among, color=COLOURS["copy-reference"], linestyle="--")


def _finding(probed: Mapping[str, Probed]) -> str:
    title, found = next(iter(probed.items()))
    ranked = sorted(found.motion.items(), key=lambda item: -item[1])
    (best, high), (worst, low) = ranked[0], ranked[-1]
    return f"{title}'s tokens tell {best} best (R² {high:.2f}) and {worst} least ({max(0.0, low):.2f})"
