"""Figs. 3 and 6: several portraits speak the same sound."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from baselines.method import clip_seed
from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS, Sheet
from semo.report.figures._videos import load_model, shown_methods, videos_of
from semo.report.tables import Inputs
from semo.tasks import Item

TIMES = 7
MAX_FRAMES = 50


def figure(inputs: Inputs) -> Figure:
    found = videos_of(inputs, "talk")
    portraits = [item for v in found for item in v.one_per_person(2 if v is found[0] else 1)]
    speaker = portraits[0]
    frames = min(MAX_FRAMES, speaker.frames)
    waveform = speaker.waveform()[: frames * 640]
    times = loud_and_quiet(waveform, frames, TIMES)
    sheet = Sheet(TIMES + 1)
    sheet.head(["portrait", *(f"{t / 25:.2f} s" for t in times)])
    truth = np.stack(list(speaker.true_frames()))
    sheet.row(f"{speaker.id}\ntrue video of the speaker", [truth[0], *truth[times]])
    reasons = [_rows(inputs, name, title, portraits, waveform, times, sheet) for name, title in shown_methods(inputs)]
    if all(reasons):
        raise MissingInput("; ".join(reason for reason in reasons if reason) or "no SeMo row in this run")
    note = (
        f"All portraits speak the sound of {speaker.id}; many motions fit one sound, so the speaker's own video is one "
        "of them, not a target. copy-reference would repeat the portrait. The curve is the loudness of the sound."
    )
    note += "".join(f" {title}: not run: {r}." for (_, title), r in zip(shown_methods(inputs), reasons) if r)
    drawn = sheet.figure("Portraits made to talk", note)
    return _with_sound(drawn, waveform, times)


def _rows(
    inputs: Inputs, name: str, title: str, portraits: list[Item], waveform: np.ndarray, times: np.ndarray, sheet
) -> str:
    """Add the rows of one model; returns why there are none, or nothing."""
    budgets = inputs.results.config.get("budgets", {})
    try:
        pipeline = load_model(inputs, name)
        if pipeline.motion_generator is None:
            return f"{title} has no motion generator"
    except MissingInput as missing:
        return str(missing)
    for item in portraits:
        source = item.source_frame()
        seed = clip_seed(int(inputs.results.config.get("seed", 0)), name, f"talking {item.id}")
        made = pipeline.talk(
            source,
            waveform,
            frames=int(times[-1]) + 1,
            steps=budgets.get("sampler_steps"),
            motion_steps=budgets.get("motion_sampler_steps"),
            seed=seed,
        )
        video = np.stack(list(made))
        sheet.row(f"{item.identity}\n{title}", [source, *video[times]])
    return ""


def loudness(waveform: np.ndarray, frames: int) -> np.ndarray:
    """Root mean square per video frame, float (frames,)."""
    padded = np.zeros(frames * 640, np.float32)
    padded[: min(len(waveform), len(padded))] = waveform[: len(padded)]
    return np.sqrt((padded.reshape(frames, 640) ** 2).mean(axis=1))


def loud_and_quiet(waveform: np.ndarray, frames: int, count: int) -> np.ndarray:
    """`count` frames at local extremes of loudness, so that open and closed mouths are shown; sorted."""
    level = loudness(waveform, frames)
    edges = np.linspace(0, frames, count + 1).astype(int)
    chosen = []
    for i, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        part = level[start : max(end, start + 1)]
        chosen.append(start + int(part.argmax() if i % 2 == 0 else part.argmin()))
    return np.array(chosen)


def _with_sound(figure: Figure, waveform: np.ndarray, times: np.ndarray) -> Figure:
    """Loudness over time in a band above the sheet, marked where frames were taken."""
    width, height = figure.get_size_inches()
    band = 0.75
    scale = height / (height + band)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, box.y0 * scale, box.width, box.height * scale))
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x, y * scale if text.get_fontweight() != "bold" else 1 - (1 - y) * scale))
    figure.set_size_inches(width, height + band)
    axes = figure.add_axes((0.13, scale + 0.005, 0.85, (1 - scale) * 0.62))
    level = loudness(waveform, max(1, len(waveform) // 640))
    axes.fill_between(np.arange(len(level)) / 25, level, color="#BBBBBB", linewidth=0)
    for t in times:
        axes.axvline(t / 25, color=COLOURS["unmasked"], linewidth=1)
    axes.set_yticks([])
    axes.set_xlim(0, max(len(level) - 1, 1) / 25)
    axes.tick_params(labelsize=7, pad=1)
    axes.grid(False)
    return figure
