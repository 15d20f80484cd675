"""Does every metric see what it should? Real clips, damaged in known ways and degrees, measured with all metrics.

    python benchmarks/sense.py --videos FOLDER [--clips 6] [--frames 64] [--size 256] [--tier compact] [--out FILE.md]

One row per metric, one column per damage with its values from weak to strong. `ok` marks a damage whose values get
worse with every degree (one degree: worse than undamaged), `no` one that does not; `-` stands where the metric looks
at something else on purpose: distances of single frames cannot see order, identity cannot see a frozen face, only
audio-visual metrics hear, and to a distance of sets the other people are the same set in another order. Networks
whose weights are not here are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from semo.errors import MediaError
from semo.measure import Measured, Measurer, Pair, Side, set_values
from semo.media import crop_resize, iter_frames, probe
from semo.metrics import Metric
from semo.progress import progress
from semo.score.selection import default_metrics
from semo.tasks import sound_of_frames

PICTURE = ("blur", "noise", "JPEG")
ORDER = ("frozen", "shuffled")
Damage = Callable[[np.ndarray, int], np.ndarray]


def blurred(frames: np.ndarray, degree: int) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), (1, 2, 4)[degree]) for frame in frames])


def noisy(frames: np.ndarray, degree: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, (5, 15, 40)[degree], frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def compressed(frames: np.ndarray, degree: int) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, (50, 20, 5)[degree]]
    return np.stack([cv2.imdecode(cv2.imencode(".jpg", frame, quality)[1], cv2.IMREAD_COLOR) for frame in frames])


def frozen(frames: np.ndarray, degree: int) -> np.ndarray:
    return np.repeat(frames[:1], len(frames), axis=0)


def shuffled(frames: np.ndarray, degree: int) -> np.ndarray:
    return frames[np.random.default_rng(0).permutation(len(frames))]


# damage -> (what it does to frames, degrees); other people and late sound are made from other inputs
DAMAGES: dict[str, tuple[Damage, int]] = {
    "blur": (blurred, 3), "noise": (noisy, 3), "JPEG": (compressed, 3), "frozen": (frozen, 1), "shuffled": (shuffled, 1)
}
LATE = (3, 8)  # frames


def sees(metric: Metric) -> set[str]:
    """The damages a metric is meant to react to."""
    if metric.title.startswith(("Sync", "AV")):
        return {"late sound"}
    if metric.title.startswith("CSIM"):
        return {*PICTURE, "other person"}
    if metric.title.startswith("Missing"):  # counts frames without a face: none of these damages takes the face away
        return set()
    if metric.network == "faces":  # motion of landmarks, pose, expression, blinks: robust to what a picture looks like
        return {"frozen"} if metric.title.startswith(("Smooth", "Motion", "Blink")) else {"other person", *ORDER}
    if metric.of_set is not None:
        of_windows = metric.name.startswith(("fvd", "fd_lrasd")) or metric.name.endswith("clip")
        return {*PICTURE, *ORDER} if of_windows else {*PICTURE}
    return {*PICTURE, *ORDER, "other person"}


def read(folder: Path, clips: int, frames: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames and sound of the first videos that are long enough and have sound."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".mp4", ".mkv", ".mpg")):
        try:
            if len(found) == clips or not probe(path).has_audio or probe(path).frames_at() < frames + max(LATE):
                continue
            shown = [crop_resize(frame, None, size) for frame in iter_frames(path, frames=frames)]
        except MediaError:
            continue
        found.append((np.stack(shown), sound_of_frames(path, frames)))
    if len(found) < 2:
        raise SystemExit(f"{folder}: at least two videos of {frames + max(LATE)} frames with sound are needed")
    return found


def measure(measurer: Measurer, films: list[tuple[np.ndarray, np.ndarray]], damage: str, degree: int) -> list[Measured]:
    """All clips with one damage against themselves."""
    found = []
    for i, (frames, sound) in enumerate(films):
        fake, heard = frames, sound
        if damage in DAMAGES:
            fake = DAMAGES[damage][0](frames, degree)
        elif damage == "other person":
            fake = films[(i + 1) % len(films)][0]
        elif damage == "late sound":
            heard = np.concatenate([np.zeros(LATE[degree] * 640, np.float32), sound])[: len(sound)]
        sides = [Side(name, lambda v=v: iter(v), lambda s=s: s) for name, v, s in
                 ((f"real {i}", frames, sound), (f"{damage} {degree} {i}", fake, heard))]
        found.append(measurer.measure(Pair(str(i), str(i), *sides, source=lambda f=frames: f[0])))
    return found


def value(metric: Metric, found: list[Measured]) -> float | None:
    if metric.of_set is not None:
        result = set_values([metric], found, ["one"] * len(found))[metric.name]
        return result.mean if result else None
    values = [m.values[metric.name] for m in found if m.values[metric.name] is not None]
    return float(np.mean(values)) if values else None


def verdict(metric: Metric, damage: str, values: list[float | None]) -> str:
    """`values`: undamaged, then every degree."""
    if damage not in sees(metric):
        return "-"
    if None in values:
        return "no value"
    sign = 1 if metric.better == "lower" else -1
    worse = [sign * (b - a) > 0 for a, b in zip(values, values[1:])]
    return ("ok " if all(worse) else "no ") + " → ".join(f"{v:.3g}" for v in values[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description="Values of every metric under known damage.")
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--tier", help="only this tier's networks (default: all that are here)")
    parser.add_argument("--out", type=Path, help="also write the table to this Markdown file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    films = read(options.videos, options.clips, options.frames, options.size)
    measurer = Measurer(default_metrics(options.tier, None))
    columns = {**{name: degrees for name, (_, degrees) in DAMAGES.items()}, "other person": 1, "late sound": len(LATE)}
    found: dict[tuple[str, int], list[Measured]] = {}
    with progress(1 + sum(columns.values()), "damages", "sense") as bar:
        for damage, degree in [("none", 0), *((d, k) for d, degrees in columns.items() for k in range(degrees))]:
            found[damage, degree] = measure(measurer, films, damage, degree)
            bar.advance()
    lines = ["| metric | undamaged | " + " | ".join(columns) + " |", "|" + " --- |" * (len(columns) + 2)]
    for metric in measurer.metrics:
        clean = value(metric, found["none", 0])
        cells = [verdict(metric, d, [clean, *(value(metric, found[d, k]) for k in range(n))])
                 for d, n in columns.items()]
        shown = "no value" if clean is None else f"{clean:.3g}"
        lines.append("| " + " | ".join([f"{metric.title} {metric.arrow}", shown, *cells]) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
