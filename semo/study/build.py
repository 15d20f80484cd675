"""The study's page: a folder that opens from disk, with videos whose names tell nothing, and the key apart from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semo.errors import DatasetError
from semo.media import FPS, iter_frames, probe, read_audio, write_preview
from semo.progress import progress
from semo.study import DIMENSIONS
from semo.study.design import BROKEN, Trial, make_forms
from semo.video_writer import replaced_when_complete

PAGE = Path(__file__).with_name("page")
SIDE = 256  # pixels; smaller videos are enlarged so that nobody judges them as thumbnails
BLOCKS, HELD = 12, 5  # of a spoilt video: squares along a side, and frames each picture stays


@dataclass(frozen=True)
class Plan:
    """What is compared: a folder per method with `<clip>.mkv` files, and how many forms of how many trials."""

    videos: dict[str, Path]
    clips: int = 20
    forms: int = 8
    per_form: int = 24
    checks: int = 2
    seed: int = 0


def generated(results: Path, task: str, dataset: str, methods: Sequence[str]) -> dict[str, Path]:
    """Folders of finished videos in the results of a run. Raises DatasetError naming what is not there."""
    folder = results / "generated" / task / dataset
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no videos of the task {task} on {dataset}; run the workflow first")
    there = sorted(path.parent.name for path in folder.glob("*/run.json") if any(path.parent.glob("*.mkv")))
    absent = [name for name in methods if name not in there]
    if absent:
        raise DatasetError(f"{folder}: has no videos of {', '.join(absent)}; there are {', '.join(there) or 'none'}")
    return {name: folder / name for name in methods}


def build(plan: Plan, out: Path) -> tuple[Path, Path]:
    """Write the page's folder `out` and, beside it, `<out>.key.json`; returns both paths.

    Raises DatasetError where the methods share no clip or `out` exists, WriteError for a failing disk.
    """
    if out.exists():
        raise DatasetError(f"{out}: exists; name another folder, so that no study is mixed with another")
    clips = _common(plan)
    forms = make_forms(sorted(plan.videos), clips, plan.forms, plan.per_form, plan.checks, plan.seed)
    shown = sorted(
        {(clip, name) for form in forms for t in form for clip, name in ((t.clip, t.left), (t.clip, t.right))}
    )
    study = hashlib.sha256(json.dumps([[vars(t) for t in form] for form in forms]).encode()).hexdigest()[:12]
    names = {item: hashlib.sha256(f"{study}\0{plan.seed}\0{item}".encode()).hexdigest()[:16] for item in shown}
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with progress(len(shown), "videos", "study") as bar:
            for clip, name in shown:
                _video(plan, clip, name, partial / "videos" / f"{names[clip, name]}.mp4")
                bar.advance()
        for file in sorted(PAGE.iterdir()):
            with replaced_when_complete(partial / file.name) as path:
                shutil.copyfile(file, path)
        with replaced_when_complete(partial / "trials.js") as path:
            path.write_text(f"window.STUDY = {_script(_trials(study, forms, names))};\n")
        key = out.with_name(f"{out.name}.key.json")
        with replaced_when_complete(key) as path:
            path.write_text(json.dumps(_key(study, forms, names), indent=1) + "\n")
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out, key


def _common(plan: Plan) -> list[str]:
    """Clips with sound that every method has: at most `plan.clips`, drawn by the seed."""
    found = [{path.stem for path in folder.glob("*.mkv")} for folder in plan.videos.values()]
    common = sorted(set.intersection(*found)) if found else []
    any_method = next(iter(plan.videos.values()), Path())
    common = [clip for clip in common if probe(any_method / f"{clip}.mkv").has_audio]
    if not common:
        raise DatasetError(f"no clip with sound is there for all of {', '.join(plan.videos)}; nothing can be compared")
    chosen = np.random.default_rng(plan.seed).permutation(common)[: plan.clips]
    return sorted(map(str, chosen))


def _video(plan: Plan, clip: str, name: str, out: Path) -> None:
    """One H.264 video, spoilt where it is a check's."""
    spoilt = name == BROKEN
    source = plan.videos[sorted(plan.videos)[0] if spoilt else name] / f"{clip}.mkv"
    frames = (_enlarged(frame) for frame in iter_frames(source, FPS))
    sound = read_audio(source)
    write_preview(out, _spoilt(frames) if spoilt else frames, audio=sound[::-1] if spoilt else sound)


def _enlarged(frame: np.ndarray) -> np.ndarray:
    import cv2

    factor = SIDE / min(frame.shape[:2])
    if factor <= 1:
        return frame
    size = (2 * round(frame.shape[1] * factor / 2), 2 * round(frame.shape[0] * factor / 2))
    return cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)


def _spoilt(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Coarse squares that stand still for a fifth of a second: nobody who looks takes it for the better one."""
    import cv2

    held = None
    for i, frame in enumerate(frames):
        if held is None or i % HELD == 0:
            small = cv2.resize(frame, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
            held = cv2.resize(small, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        yield held


def _trials(study: str, forms: list[list[Trial]], names: dict[tuple[str, str], str]) -> dict[str, Any]:
    """What the page knows: names that tell nothing."""
    shown = [[{"left": names[t.clip, t.left], "right": names[t.clip, t.right]} for t in form] for form in forms]
    return {"id": study, "dimensions": DIMENSIONS, "forms": shown}


def _key(study: str, forms: list[list[Trial]], names: dict[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "study": study,
        "videos": {name: {"clip": clip, "method": method} for (clip, method), name in names.items()},
        "forms": [[vars(t) | {"check": t.check} for t in form] for form in forms],
    }


def _script(content: dict[str, Any]) -> str:
    """JSON that may stand inside a script, whatever it holds."""
    return json.dumps(content).replace("<", "\\u003c")
