"""The measurements of benchmarks/gpu.py."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from semo.clips import ClipSet
from semo.codec import make_codec
from semo.pipeline import SeMoPipeline
from semo.train.data import FrameBank
from semo.train.loop import to_device
from semo.train.settings import Preset
from semo.train.stage1 import Stage1

ROUNDS = 3
RATE = 16000  # Hz


def wait(device: str) -> None:
    """Until the device has done what it was given: without it only the launching of kernels is timed."""
    if device != "cpu":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    """Median seconds of ROUNDS runs after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matmul_rate(device: str, size: int, repeats: int = 20) -> float:
    """FLOP/s of bf16 products of square matrices: what this device can do at best."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def work() -> None:
        for _ in range(repeats):
            torch.mm(a, b)

    return 2 * size**3 * repeats / seconds(work, device)


def step_flops(preset: Preset, clips: list[Path], device: str) -> float:
    """FLOP of forward and backward of stage 1 per sample: matrix products, convolutions and attention, counted.

    The mask is off (mask ratio 0), so that it is the model's own work.
    """
    prepared = ClipSet(clips[0])
    clip = prepared.select("train")[0]
    bank = FrameBank([{clip.clip: prepared.frames(clip)}])
    codec = make_codec(preset.codec.kind, preset.frame_size, preset.codec.path, preset.codec.patch, preset.codec.rank)
    if hasattr(codec, "fit"):
        codec.fit(bank.sample_frames(8))
    if not codec.light:
        bank.encode(codec.to(device), torch.device(device))
    stage = Stage1(preset, codec, bank, seed=0).to(device)
    stage.__dict__["mask_ratio"] = lambda progress, generator: 0.0
    batch, _ = stage.batch(0, 0.5)
    with FlopCounterMode(display=False) as counter:
        stage(to_device(batch, torch.device(device))).backward()
    return counter.get_total_flops() / preset.stage1.batch


def streamed(pipeline: SeMoPipeline, clips: list[Path], steps: int, length: float) -> dict[str, float]:
    """Talking from a test portrait, one frame after the other as a viewer gets them.

    `first_frame_ms`: from the call to the first frame; `worst_gap_ms`: the longest wait for a frame after it;
    `window_ms`: sound that must be there before a window of frames can begin; `latency_ms`: from a sound to its frame,
    at worst: its window, then the longest wait.
    """
    prepared = ClipSet(clips[0])
    source = prepared.frames(prepared.select("test")[0], count=1)[0]
    sound = 0.2 * np.sin(np.arange(int(length * RATE)) * 2 * np.pi * 180 / RATE).astype(np.float32)
    device = pipeline.device.type
    for _ in pipeline.stream(source, sound[: RATE], steps=steps):  # warm-up
        pass
    wait(device)
    arrivals = [time.perf_counter()]
    for _ in pipeline.stream(source, sound, steps=steps):  # frames are numpy arrays: they have left the device
        arrivals.append(time.perf_counter())
    waits = np.diff(arrivals)
    window = 1000 * pipeline.motion_generator.config.window / 25
    worst = 1000 * float(waits[1:].max(initial=waits[0]))
    return {"frames_per_s": len(waits) / (arrivals[-1] - arrivals[0]), "first_frame_ms": 1000 * float(waits[0]),
            "worst_gap_ms": worst, "window_ms": window, "latency_ms": window + max(worst, 1000 * float(waits[0]))}


def quality(pipeline: SeMoPipeline, clips: list[Path], steps: int, count: int) -> tuple[float, np.ndarray]:
    """Mean PSNR (dB) of test clips of every data set, driven by themselves; the frames of the first one."""
    values, shown = [], None
    for folder in clips:
        prepared = ClipSet(folder)
        for clip in prepared.select("test")[:count]:
            truth = prepared.frames(clip)
            made = np.stack(list(pipeline.reconstruct(truth[0], iter(truth), steps=steps)))
            error = np.mean((made.astype(np.float64) - truth) ** 2, axis=(1, 2, 3))
            values.append(float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-10)))))
            shown = made if shown is None else shown
    return statistics.mean(values), shown


def curve(path: Path) -> list[dict[str, float]]:
    """Rows of a training curve."""
    with open(path, newline="") as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream, delimiter="\t")]
