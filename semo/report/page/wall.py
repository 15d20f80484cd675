"""The videos of the page: which clips are shown, why, and one mosaic file of source, truth and methods for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np

from semo.errors import MediaError
from semo.media import FPS, iter_frames, write_preview
from semo.metrics import metric
from semo.report.figures import MissingInput
from semo.report.figures._videos import Videos
from semo.report.measurements import BOUNDS, Results
from semo.report.page.gains import COPY, METRIC, label_of
from semo.report.page.mosaic import Layout, mosaic, tile_side
from semo.report.tables import Inputs
from semo.tasks import TASKS, Item, sound_of_frames

FRAMES = 250  # shown at most: ten seconds


@dataclass(frozen=True)
class Choice:
    """A clip to show; `why`: fixed, best, median, worst; `value` of the metric they were chosen by, in dB."""

    item: Item
    why: tuple[str, ...]
    value: float | None


def choose(items: list[Item], values: dict[str, float]) -> list[Choice]:
    """The first clip, which nobody chose, and the best, median and worst by `values`; a clip appears once."""
    ranked = sorted((i for i in items if i.id in values), key=lambda i: (-values[i.id], i.id))
    reasons: dict[str, list[str]] = {}
    if items:
        reasons.setdefault(items[0].id, []).append("fixed")
    if ranked:
        for why, item in (("best", ranked[0]), ("median", ranked[len(ranked) // 2]), ("worst", ranked[-1])):
            reasons.setdefault(item.id, []).append(why)
    by_id = {item.id: item for item in items}
    return [Choice(by_id[clip], tuple(why), values.get(clip)) for clip, why in reasons.items()]


def wall(inputs: Inputs, folder: Path) -> dict[str, Any]:
    """Write the mosaics into `folder` and describe them.

    {"metric", "fps", "sets": [{"task", "dataset", "judge", "clips": [...]}], "missing": [[set, reason]]}; a set or a
    method whose videos are not here is named with the reason.
    """
    sets, absent = [], []
    for task in TASKS:
        for dataset in dict.fromkeys(inputs.results.roles.values()):
            try:
                shown = _set(Videos(inputs, task, dataset), folder, len(sets))
            except (MissingInput, MediaError, OSError) as missing:
                absent.append([f"{task}, {dataset}", str(missing)])
                continue
            sets.append(shown)
    title = metric(METRIC).title
    return {"metric": title, "unit": metric(METRIC).unit, "fps": FPS, "sets": sets, "missing": absent}


def _set(videos: Videos, folder: Path, index: int) -> dict[str, Any]:
    results, task, dataset = videos.inputs.results, videos.task, videos.dataset
    if not videos.items:
        raise MissingInput("no clip was made")
    judge = _judge(results, task, dataset)
    found = results.measured(task, dataset, judge) if judge else None
    chosen = choose(videos.items, found.values(METRIC) if found else {})
    methods = [name for name in _order(results) if results.does(name, task) and dataset in _data_of(results, name)]
    clips = [
        _clip(videos, choice, methods, folder / f"{task}-{index}-{i}.mp4") for i, choice in enumerate(chosen)
    ]
    return {"task": task, "dataset": dataset, "judge": label_of(results, judge) if judge else "", "clips": clips}


def _clip(videos: Videos, choice: Choice, methods: list[str], out: Path) -> dict[str, Any]:
    """Write one mosaic; returns what the page needs to take it apart."""
    item, count = choice.item, min(choice.item.frames, FRAMES)
    source = item.source_frame()
    streams: list[Iterator[np.ndarray]] = [repeat(source, 1), _frames(item.driving, count), _frames(item.truth, count)]
    tiles: list[dict[str, Any]] = [
        {"key": "source", "label": "Source", "kind": "given"},
        {"key": "driving", "label": "Driving", "kind": "given"},
        {"key": "truth", "label": "Truth", "kind": "given"},
    ]
    if videos.task != "cross":  # the clip drives itself, or its sound does
        del streams[1], tiles[1]
    for name in methods:
        tile = {"key": f"method-{name}", "label": label_of(videos.inputs.results, name), "kind": _kind(name)}
        try:
            streams.append(_readable(_frames(videos.path(name, item), count)))
            tile["value"] = _value(videos, name, item)
        except (MissingInput, MediaError) as missing:
            tile["reason"] = str(missing)
        tiles.append(tile)
    layout = Layout(len(streams), tile_side(source.shape[0]))
    for i, tile in enumerate(t for t in tiles if "reason" not in t):
        tile["x"], tile["y"] = layout.corner(i)
    sound = _sound(item, count)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_preview(out, mosaic(streams, layout, count), audio=sound, preset="veryfast")
    facts = {"id": item.id, "why": list(choice.why), "value": _shown(choice.value), "video": out.name}
    cut = f"the first {count} of {item.frames} frames" if count < item.frames else ""
    return facts | {"frames": count, "cut": cut, "sound": sound is not None, "side": layout.side, "tiles": tiles}


def _frames(path: Path, count: int) -> Iterator[np.ndarray]:
    return iter_frames(path, fps=FPS, frames=count)


def _readable(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same frames, the first of them read; raises MediaError where it cannot be."""
    first = next(frames)
    return chain([first], frames)


def _sound(item: Item, frames: int) -> np.ndarray | None:
    """The sound that goes with the motion: of the driving clip."""
    try:
        return sound_of_frames(item.driving, frames)
    except MediaError:
        return None


def _judge(results: Results, task: str, dataset: str) -> str:
    """The method whose values choose the clips: SeMo, or the first that has any."""
    names = sorted((n for n in results.methods if n not in BOUNDS), key=lambda n: n != "semo")
    found = (n for n in names if (m := results.measured(task, dataset, n)) and m.values(METRIC))
    return next(found, "")


def _order(results: Results) -> list[str]:
    """All methods but copy-reference, which is the source itself."""
    return [name for name in results.methods if name != COPY]


def _data_of(results: Results, method: str) -> list[str]:
    """Data sets the plan has the method run on; all of them where it does not say."""
    return results.methods[method].get("datasets") or list(results.roles.values())


def _kind(method: str) -> str:
    return "bound" if method in BOUNDS else "ablation" if method.startswith("ablation-") else "method"


def _value(videos: Videos, method: str, item: Item) -> float | None:
    found = videos.inputs.results.measured(videos.task, videos.dataset, method)
    return _shown(found.values(METRIC).get(item.id)) if found else None


def _shown(value: float | None) -> float | None:
    return None if value is None else round(value, metric(METRIC).digits)
