"""Preparation at 256 px as a multiple of real time per core: decode, crop and resample; with the reference in one run.

    python benchmarks/prepare.py [--videos FOLDER] [--seconds 20] [--processes 1]

The reference decodes the same stretches of the same videos and does nothing else. Processor time is counted, so that
what else the machine does matters little. With `--processes N` also how many times as much N processes do at once as
one, by the clock: near N on a machine with as many free cores. Without a folder a synthetic 720p video is used.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
import cv2

from benchmarks.clips import synthetic_videos
from semo.datasets import VIDEO_SUFFIXES
from semo.media import FPS, crop_resize, iter_frames, probe
from semo.pictures import centre_square

SIZE = 256


def prepared(file: Path, seconds: float) -> int:
    """Frames of the first `seconds` of a video, cropped and scaled; returns their number."""
    cv2.setNumThreads(1)
    info = probe(file)
    box = centre_square(info.height, info.width)
    shown = iter_frames(file, FPS, frames=round(seconds * FPS))
    return sum(crop_resize(frame, box, SIZE) is not None for frame in shown)


def decoded(file: Path, seconds: float) -> int:
    """The same stretch decoded and nothing else."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        count = 0
        for frame in container.decode(stream):
            if frame.time is not None and frame.time > seconds:
                break
            count += 1
    return count


def measure(files: list[Path], seconds: float) -> dict[str, float]:
    """Seconds of video per second of processor time, own and reference, and their ratio."""
    start = time.process_time()
    frames = sum(prepared(file, seconds) for file in files)
    own = time.process_time() - start
    start = time.process_time()
    for file in files:
        decoded(file, seconds)
    reference = time.process_time() - start
    video = frames / FPS
    return {"times_real_time": video / own, "decode_only": video / reference, "ratio": reference / own}


def speed_up(files: list[Path], seconds: float, processes: int) -> float:
    """How many times as fast `processes` processes are as one, each with all the files."""
    def elapsed(count: int) -> float:
        with ProcessPoolExecutor(count) as pool:
            list(pool.map(prepared, files[:1] * count, [1.0] * count))  # the start is not counted
            start = time.perf_counter()
            list(pool.map(prepared, files * count, [seconds] * (len(files) * count)))
            return time.perf_counter() - start

    return processes * elapsed(1) / elapsed(processes)


def main() -> None:
    parser = argparse.ArgumentParser(description="Preparation at 256 px as a multiple of real time.")
    parser.add_argument("--videos", type=Path, help="folder of videos (default: a synthetic one)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each video at most")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = options.videos
        if videos is None:
            videos = Path(folder) / "videos"
            synthetic_videos(videos, count=1, frames=250, size=720)
        files = sorted(path for path in videos.rglob("*") if path.suffix in VIDEO_SUFFIXES)
        result = measure(files, options.seconds)
        if options.processes > 1:
            result["speed_up"] = speed_up(files, options.seconds, options.processes)
    print("\t".join(["benchmark", *result]))
    print("\t".join(["prepare at 256 px", *(f"{value:.3g}" for value in result.values())]))


if __name__ == "__main__":
    main()
