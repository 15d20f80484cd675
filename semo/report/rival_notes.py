"""What the reader must know of rivals trained in the run: their budget, and where they fall short."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from semo.report.measurements import PAPER_ORDER, Results, TrainingRun

IN_USE = 0.5  # dB that shuffled motion must cost before a method can be said to use it
HEARD = 0.01  # share by which the sound of other clips must raise the error before a method can be said to listen
SINGLE = ("mini", "official")  # stage names of recipes with one stage: their size


def rival_notes(results: Results, task: str) -> list[str]:
    """Sentences on the rivals trained in this run; none where there are none."""
    trained: dict[str, list[TrainingRun]] = {}
    for run in results.training:
        if run.run in PAPER_ORDER and results.does(run.run, task):
            trained.setdefault(run.run, []).append(run)
    labels = {name: label for name in trained if (label := _label(results, task, name))}
    if not labels:
        return []
    notes = [_budget(results, {name: trained[name] for name in labels}, labels)]
    for name, label in labels.items():
        notes += _unused(label, trained[name], task)
        worse = [data for data, gain in _gains(results, task, name).items() if gain <= 0]
        if worse:
            notes.append(f"{label} is no better than copy-reference on the moving pixels of {', '.join(worse)}.")
    return notes


def samples(run: TrainingRun) -> int | None:
    """What a training predicted in all: pairs of frames, or in a stage of several frames and windows of them."""
    steps, batch = run.config.get("steps"), run.config.get("batch")
    return steps * batch if steps and batch else None


def _unused(label: str, stages: list[TrainingRun], task: str) -> list[str]:
    """That a method hardly uses what drives it, where its training found so."""
    column, least = ("sound_share", HEARD) if task == "talk" else ("motion_use_db", IN_USE)
    found = [use for stage in stages if (use := stage.last(column)) is not None]
    if not found or max(found) >= least:
        return []
    if task == "talk":
        return [f"{label} hardly listens after so short a training: the sound of other clips changes the error of what "
                f"it predicts by {round(max(found), 3) + 0.0:+.1%}."]  # fmt: skip
    return [
        f"{label} hardly uses the driving frame after so few pairs: motion of other clips costs it {max(found):+.2f} "
        "dB. What it gains over copy-reference is a smoother picture, not motion."
    ]


def _budget(results: Results, trained: dict[str, list[TrainingRun]], labels: dict[str, str]) -> str:
    texts = []
    single = {labels[name]: stages[0] for name, stages in trained.items() if stages[0].stage in SINGLE}
    staged = {labels[name]: stages for name, stages in trained.items() if labels[name] not in single}
    if single:
        seen = _each(single.values())
        text = f"{', '.join(single)} were trained from scratch in this run"
        texts.append(text + (f", each on {seen:,} pairs of frames" if seen else ""))
    if staged:
        seen = _each(stage for stages in staged.values() for stage in stages)
        text = f"{', '.join(staged)} were trained from scratch in this run, stage after stage"
        text += f", each stage on {seen:,} samples (a frame or a window of them)" if seen else ""
        named = (f"{label}: {', '.join(stage.stage for stage in stages)}" for label, stages in staged.items())
        texts.append(f"{text}. Stages: {'; '.join(named)}")
    ours = next((samples(run) for run in results.training if (run.run, run.stage) == ("semo", "stage1")), None)
    if ours:
        texts[-1] += f"; SeMo's first stage alone saw {ours:,}"
    runs = [stage for stages in trained.values() for stage in stages]
    networks = sorted({str(run.config["perceptual"]) for run in runs if run.config.get("perceptual")})
    if networks:
        texts.append(f"Network of their perceptual loss: {', '.join(networks)}")
        if any("bundled" in network for network in networks):
            texts[-1] += ", which FD-corpus and PD-corpus are measured with as well: those two columns favour them"
    return f"{'. '.join(texts)}."


def _each(runs: Iterable[TrainingRun]) -> int | None:
    """What each training saw, where that is the same number; else None."""
    counts = {count for run in runs if (count := samples(run))}
    return counts.pop() if len(counts) == 1 else None


def _label(results: Results, task: str, name: str) -> str | None:
    found = [m for d in dict.fromkeys(results.roles.values()) if (m := results.measured(task, d, name))]
    return found[0].record["label"] if found else None


def _gains(results: Results, task: str, name: str) -> dict[str, float]:
    """Data set -> mean gain over copy-reference on moving pixels, in dB, over the clips both have."""
    gains = {}
    for dataset in dict.fromkeys(results.roles.values()):
        ours, copy = (results.measured(task, dataset, method) for method in (name, "copy-reference"))
        if ours and copy:
            first, second = ours.values("psnr_moving"), copy.values("psnr_moving")
            if both := first.keys() & second.keys():
                gains[dataset] = fmean(first[clip] - second[clip] for clip in both)
    return gains
