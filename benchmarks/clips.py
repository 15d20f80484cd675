"""Clip preparation in frames/s, as a ratio to decoding the same videos and nothing else, in the same run.

    python benchmarks/clips.py [--videos FOLDER] [--detector cascade] [--frame-size 64] [--out FILE.tsv]

Without a folder four synthetic videos of 256 px are used. One thread; the median of three rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from semo.datasets import Dataset, candidates
from semo.media import write_preview
from semo.prepare import Preparation

ROUNDS = 3


def synthetic_videos(folder: Path, count: int = 4, frames: int = 100, size: int = 256) -> None:
    """Moving noise over a gradient with sound: about as hard to decode as a talking head."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    ramp = np.linspace(0, 200, 2 * size).astype(np.uint8)
    for video in range(count):
        texture = rng.integers(0, 40, (size, 2 * size, 1), dtype=np.uint8) + ramp[None, :, None]
        shown = (np.repeat(np.roll(texture, 2 * t, axis=1)[:, :size], 3, axis=2) for t in range(frames))
        write_preview(folder / f"{video}.mp4", shown, audio=rng.normal(0, 0.1, frames * 640).astype(np.float32))


def decode_only(files: list[Path]) -> int:
    """Decode every frame, convert nothing; returns their number."""
    count = 0
    for file in files:
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            count += sum(1 for _ in container.decode(stream))
    return count


def measure(dataset: Dataset, frame_size: int) -> dict[str, float]:
    """Frames/s of decoding and of preparation (every round into an empty folder), and their ratio."""
    files = [candidate.file for candidate in candidates(dataset)[0]]
    decoding, preparing = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        decoded = decode_only(files)
        decoding.append(decoded / (time.perf_counter() - start))
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            clips, _, _ = Preparation(dataset, frame_size, Path(out)).run()
            preparing.append(sum(clip.frames for clip in clips) / (time.perf_counter() - start))
    reference, own = statistics.median(decoding), statistics.median(preparing)
    return {"frames_per_s": own, "reference_frames_per_s": reference, "ratio": own / reference}


def main() -> None:
    parser = argparse.ArgumentParser(description="Clip preparation against decoding only.")
    parser.add_argument("--videos", help="folder of videos (default: synthetic ones)")
    parser.add_argument("--detector", default="none", help="none or cascade")
    parser.add_argument("--frame-size", type=int, default=64)
    parser.add_argument("--out", type=Path, help="also write the row to this TSV")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.videos is None:
            synthetic_videos(Path(folder) / "videos")
        path = options.videos or str(Path(folder) / "videos")
        dataset = Dataset("benchmark", "folder", path, "b", detector=options.detector, max_seconds=1e6, min_frames=1)
        result = measure(dataset, options.frame_size)
    names = ["benchmark", "reference", *result]
    values = [f"clips ({options.detector})", "decode only", *(f"{value:.3g}" for value in result.values())]
    lines = "\t".join(names) + "\n" + "\t".join(values) + "\n"
    print(lines, end="")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(lines)


if __name__ == "__main__":
    main()
