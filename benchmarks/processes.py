"""Stage 1 on two processes against one: processor time per step of all processes together, as a ratio (1 is ideal).

    python benchmarks/processes.py [--preset mini] [--steps 12]

Both compute the same batches in two parts, one after the other or at once; reports and checkpoints are left out. Where
each process has a core of its own, the ratio is that of the time per sample to half of what one process needs. The
median of three rounds.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import torch

from semo.codec import make_codec
from semo.train import loop
from semo.train.data import FrameBank
from semo.train.settings import load_preset
from semo.train.stage1 import Stage1

ROUNDS = 3


def trained(rank: int, processes: int, port: int, preset_name: str, steps: int, found: Queue) -> None:
    """In a process of its own: processor seconds per step, from runs of two lengths."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port, "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {name: str(value) for name, value in names.items()} if processes > 1 else {}
    torch.set_num_threads(1)
    preset = load_preset(preset_name)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (4, 8, preset.frame_size, preset.frame_size, 3), dtype=np.uint8)
    bank = FrameBank([{str(i): clip for i, clip in enumerate(frames)}])
    spent = []
    for length in (2, steps + 2):
        stage = Stage1(preset, make_codec(preset.codec.kind, preset.frame_size, preset.codec.path), bank, seed=0)
        stage.__dict__["report"] = dict
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            loop.train(stage, length, Path(folder), report_every=length, checkpoint_seconds=1e9, parts=2)
            spent.append(time.process_time() - start)
    found.put((spent[1] - spent[0]) / steps)


def seconds_per_step(processes: int, preset: str, steps: int) -> float:
    """Processor time of one step, all processes together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = get_context("spawn")
    found = context.Queue()
    workers = [context.Process(target=trained, args=(rank, processes, port, preset, steps, found))
               for rank in range(processes)]
    for worker in workers:
        worker.start()
    total = sum(found.get(timeout=600) for _ in workers)
    for worker in workers:
        worker.join()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description="Two processes against one.")
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    rounds = [[seconds_per_step(processes, options.preset, options.steps) for processes in (1, 2)]
              for _ in range(ROUNDS)]
    one, two = (statistics.median(column) for column in zip(*rounds, strict=True))
    print("benchmark\tone_process_s_per_step\ttwo_processes_s_per_step\tratio")
    print(f"processes\t{one:.3g}\t{two:.3g}\t{two / one:.3g}")


if __name__ == "__main__":
    main()
