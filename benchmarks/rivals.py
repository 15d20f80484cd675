"""Rivals moved by video: the fast way over a clip against the frame-by-frame way of the papers' scripts, in one run.

    python benchmarks/rivals.py [--methods fomm lia] [--frames 8] [--threads 1] [--size official] [--out FILE.tsv]

The networks have random weights of one seed, not the published ones: speed, memory and size do not depend on them. Both
ways run the same modules on the same frames; milliseconds are processor time, which other programs on the machine
hardly change. Every method is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from baselines.blocks.animate import Animator

COLUMNS = ("method", "weights", "size", "parameters_m", "fast_ms", "plain_ms", "ratio", "first_ms_ratio", "peak_mib",
           "largest_difference")  # fmt: skip


def rivals() -> list[str]:
    """Folders of the rivals that are moved by keypoints; those moved by sound are timed by talk_rivals.py."""
    from baselines.blocks.rival import KeypointMethod
    from baselines.method import make_method

    folders = Path(__file__).resolve().parents[1].glob("baselines/*/config.py")
    names = sorted(path.parent.name for path in folders)
    return [name for name in names if isinstance(make_method(name), KeypointMethod)]


def made_up(frames: int, size: int) -> np.ndarray:
    """uint8 (T, S, S, 3) of a drifting gradient: speed does not depend on what is shown."""
    ramp = np.linspace(0, 255, size)
    shown = np.stack([np.roll(np.add.outer(ramp, ramp) / 2, 3 * t, axis=1) for t in range(frames)])
    return np.repeat(shown[..., None], 3, axis=3).astype(np.uint8)


def animators(method: str, size: str) -> tuple[Animator[Any], Animator[Any], int]:
    """The fast and the plain way over networks with the same random weights, and their parameters."""
    import torch

    from baselines.method import make_method

    config = importlib.import_module(f"baselines.{method}.config")
    torch.manual_seed(0)
    kind = type(make_method(method)).animator  # type: ignore[attr-defined]
    modules = {name: net.eval() for name, net in config.build(config.SIZES[size]).items() if name in kind.used}
    parameters = sum(p.numel() for net in modules.values() for p in net.parameters())
    side = config.SIZES[size].frame_size
    return kind(modules, side), kind(modules, side, fast=False), parameters


def clip(animator: Animator[Any], video: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Frames of a whole clip, processor seconds for all of them and for a clip of its first two."""
    from baselines.blocks.animate import animate

    def timed(frames: np.ndarray) -> tuple[np.ndarray, float]:
        start = time.process_time()
        made = np.stack(list(animate(animator, frames[0], iter(frames))))
        return made, time.process_time() - start

    timed(video[:2])
    short = timed(video[:2])[1]
    made, seconds = timed(video)
    return made, seconds, short


def measure(method: str, size: str, frames: int, threads: int) -> list[str]:
    """One row of the table."""
    from semo.generate import limit_threads
    from semo.provenance import peak_memory_mib

    limit_threads(threads)
    fast, plain, parameters = animators(method, size)
    video = made_up(frames, fast.frame_size)
    made, seconds, short = clip(fast, video)
    peak = peak_memory_mib()
    reference, plain_seconds, plain_short = clip(plain, video)
    difference = int(np.abs(made.astype(np.int16) - reference.astype(np.int16)).max())
    return [
        method,
        "random, seed 0",
        size,
        f"{parameters / 1e6:.1f}",
        f"{1000 * seconds / frames:.0f}",
        f"{1000 * plain_seconds / frames:.0f}",
        f"{plain_seconds / seconds:.2f}",
        f"{plain_short / short:.2f}",
        f"{peak:.0f}",
        str(difference),
    ]


if __name__ == "__main__":
    import each_alone

    about = "Rivals: the fast way over a clip against frame by frame."
    raise SystemExit(each_alone.main(__file__, about, COLUMNS, rivals, measure, "official", frames=8, least=2))
