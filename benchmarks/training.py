"""Stage 1 training in samples/s, as a ratio to the plain version of the same step, in the same run.

    python benchmarks/training.py [--preset mini] [--threads 1] [--steps 8]

The plain version computes in float32 with the fused attention kernel and an unfused optimiser. The median of three
rounds, alternating.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from accelerate.state import AcceleratorState
from torch.nn import functional as F

from semo.codec import make_codec
from semo.model import layers
from semo.train import loop
from semo.train.data import FrameBank
from semo.train.settings import load_preset
from semo.train.stage1 import Stage1

ROUNDS = 3


def samples_per_second(preset_name: str, steps: int) -> float:
    """Trains a fresh model on noise; reports and checkpoints are left out."""
    AcceleratorState._reset_state(reset_partial_state=True)  # one process may hold one precision at a time
    preset = load_preset(preset_name)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (4, 8, preset.frame_size, preset.frame_size, 3), dtype=np.uint8)
    bank = FrameBank([{str(i): clip for i, clip in enumerate(frames)}])
    stage = Stage1(preset, make_codec(preset.codec.kind, preset.frame_size, preset.codec.path), bank, seed=0)
    stage.__dict__["report"] = dict
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        loop.train(stage, steps, Path(folder), report_every=steps, checkpoint_seconds=1e9)
        return steps * preset.stage1.batch / (time.perf_counter() - start)


def plain_samples_per_second(preset_name: str, steps: int) -> float:
    """The same training without the choices that were made for speed."""
    unfused = torch.optim.AdamW

    def adamw(*args, fused: bool, **kwargs):
        return unfused(*args, **kwargs)

    with (
        mock.patch.object(layers, "attend", F.scaled_dot_product_attention),
        mock.patch.object(loop, "uses_bf16", lambda device: False),
        mock.patch.object(torch.optim, "AdamW", adamw),
    ):
        return samples_per_second(preset_name, steps)


def main() -> None:
    """Prints both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    samples_per_second(args.preset, 2)
    rates = [(samples_per_second(args.preset, args.steps), plain_samples_per_second(args.preset, args.steps))
             for _ in range(ROUNDS)]
    own, plain = (statistics.median(column) for column in zip(*rates, strict=True))
    print("measure\tsamples_per_s")
    print(f"training\t{own:.1f}\nplain\t{plain:.1f}\nratio\t{own / plain:.2f}")


if __name__ == "__main__":
    main()
