"""One batch on several processes, and an orderly end when the scheduler wants its machine back."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from accelerate import Accelerator

PREEMPTED = 75  # exit code (EX_TEMPFAIL of sysexits.h): nothing is lost, the same command goes on


class Preempted(Exception):
    """SIGTERM came; the checkpoint holds every finished step."""


def world() -> tuple[int, int]:
    """Rank and number of the processes that `accelerate launch` started; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def own_parts(parts: int, batch: int, rank: int, processes: int) -> range:
    """The parts of every batch that a process computes. Raises ValueError where they cannot be shared equally."""
    if parts < 1 or batch % parts:
        raise ValueError(f"a batch of {batch} cannot be computed in {parts} equal parts; choose a divisor of {batch}")
    if parts % processes:
        raise ValueError(f"{processes} processes cannot share {parts} parts equally; choose a multiple of {processes}")
    return range(rank, parts, processes)


@contextmanager
def termination() -> Iterator[threading.Event]:
    """An event that SIGTERM sets while the block runs, in place of ending the process; later signals set it again."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield asked
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class Agreement:
    """What all processes know of a step: the mean loss of the whole batch, and whether one was asked to stop."""

    loss: float
    stop: bool

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss)


def agree(accelerator: Accelerator, loss: float, stop: bool) -> Agreement:
    """The same answer in every process, so that none goes on, fails or stops alone. One message of two numbers."""
    if accelerator.num_processes == 1:
        return Agreement(loss, stop)
    both = torch.tensor([loss, float(stop)], dtype=torch.float64 if accelerator.device.type == "cpu" else None)
    loss_sum, stops = accelerator.reduce(both.to(accelerator.device), "sum").tolist()
    return Agreement(loss_sum / accelerator.num_processes, stops > 0)
