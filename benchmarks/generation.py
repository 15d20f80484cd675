"""SeMo generation in frames/s, as a ratio to the codec's round trip of the same frames, in the same run.

    python benchmarks/generation.py [--weights MODEL] [--frames 50] [--steps K] [--threads 1] [--out FILE.tsv]

Without a model folder the released weights are used. Made-up frames and sound: speed does not depend on what is shown.
The median of three rounds after one to warm up; the ratio to real time (25 frames/s) is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from semo.pipeline import SeMoPipeline

ROUNDS = 3
REAL_TIME = 25.0


def made_up(frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (T, S, S, 3) of a drifting gradient and float32 sound as long."""
    ramp = np.linspace(0, 255, size)
    shown = np.stack([np.roll(np.add.outer(ramp, ramp) / 2, t, axis=1) for t in range(frames)])
    sound = 0.2 * np.sin(np.arange(frames * 640) * 2 * np.pi * 180 / 16000)
    return np.repeat(shown[..., None], 3, axis=3).astype(np.uint8), sound.astype(np.float32)


def speed(generate: Callable[[], Iterable[np.ndarray]]) -> float:
    """Frames/s, median of ROUNDS."""
    sum(1 for _ in generate())
    speeds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        frames = sum(1 for _ in generate())
        speeds.append(frames / (time.perf_counter() - start))
    return statistics.median(speeds)


def measure(pipeline: SeMoPipeline, frames: int, steps: int | None) -> list[tuple[str, float, float]]:
    """(task, frames/s, codec's frames/s) of every task the model can do."""
    video, sound = made_up(frames, pipeline.frame_size)
    reference = speed(lambda: pipeline.encode_decode(video))
    rows = [("reconstruct", speed(lambda: pipeline.reconstruct(video[0], iter(video), steps=steps)), reference)]
    if pipeline.motion_generator is not None:
        rows.append(("talk", speed(lambda: pipeline.talk(video[0], sound, frames=frames, steps=steps)), reference))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="SeMo generation against the codec's round trip.")
    parser.add_argument("--weights", type=Path, help="model folder (default: the released weights)")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--steps", type=int, help="sampler steps per frame (default: the model's)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="also write the rows to this TSV")
    options = parser.parse_args()
    from semo.generate import limit_threads
    from semo.pipeline import SeMoPipeline, released

    limit_threads(options.threads)
    try:
        pipeline = SeMoPipeline.from_pretrained(options.weights or released(), device=options.device)
    except (OSError, ValueError) as error:
        print(f"benchmarks/generation.py: {error}", file=sys.stderr)
        return 1
    lines = "benchmark\treference\tframes_per_s\treference_frames_per_s\tratio\tof_real_time\n"
    for task, own, reference in measure(pipeline, options.frames, options.steps):
        values = (own, reference, own / reference, own / REAL_TIME)
        lines += "\t".join([f"generation ({task})", "codec round trip", *(f"{value:.3g}" for value in values)]) + "\n"
    print(lines, end="")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
