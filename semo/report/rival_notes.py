"""What the reader of Table 2 must know of rivals trained in the run: their budget, and where they fall short."""

from __future__ import annotations

from statistics import fmean

from semo.report.measurements import PAPER_ORDER, Results, TrainingRun

IN_USE = 0.5  # dB that shuffled motion must cost before a method can be said to use it


def rival_notes(results: Results, task: str) -> list[str]:
    """Sentences on the rivals trained in this run; none where there are none."""
    trained = {run.run: run for run in results.training if run.run in PAPER_ORDER and results.does(run.run, task)}
    labels = {name: label for name in trained if (label := _label(results, task, name))}
    if not labels:
        return []
    notes = [_budget(results, trained, labels)]
    for name, label in labels.items():
        use = trained[name].last("motion_use_db")
        if use is not None and use < IN_USE:
            notes.append(
                f"{label} hardly uses the driving frame after so few pairs: motion of other clips costs it {use:+.2f} "
                "dB. What it gains over copy-reference is a smoother picture, not motion."
            )
        worse = [data for data, gain in _gains(results, task, name).items() if gain <= 0]
        if worse:
            notes.append(f"{label} is no better than copy-reference on the moving pixels of {', '.join(worse)}.")
    return notes


def pairs(run: TrainingRun) -> int | None:
    """Pairs of frames a training saw."""
    steps, batch = run.config.get("steps"), run.config.get("batch")
    return steps * batch if steps and batch else None


def _budget(results: Results, trained: dict[str, TrainingRun], labels: dict[str, str]) -> str:
    seen = {label: pairs(trained[name]) for name, label in labels.items()}
    counts = {count for count in seen.values() if count}
    text = f"{', '.join(labels.values())} were trained from scratch in this run"
    if len(counts) == 1:
        text += f", each on {counts.pop():,} pairs of frames"
    ours = next((pairs(run) for run in results.training if (run.run, run.stage) == ("semo", "stage1")), None)
    if ours:
        text += f"; SeMo's first stage alone saw {ours:,}"
    networks = sorted({str(run.config["perceptual"]) for run in trained.values() if run.config.get("perceptual")})
    if networks:
        text += f". Network of their perceptual loss: {', '.join(networks)}"
    if any("bundled" in network for network in networks):
        text += ", which FD-corpus and PD-corpus are measured with as well: those two columns favour them"
    return text + "."


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
