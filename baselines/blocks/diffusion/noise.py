"""Noise that belongs to a frame: however a clip is cut into windows and batches, a frame starts from the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[int], Tensor]


def frame_noise(seed: int, shape: Sequence[int], stream: int = 0) -> Noise:
    """A function: frame number -> standard normal tensor of `shape`, on the CPU, the same on every machine.

    stream: another number for noise of another purpose
    """

    def noise(frame: int) -> Tensor:
        state = np.random.SeedSequence([seed, frame, stream]).generate_state(2, np.uint32)
        generator = torch.Generator().manual_seed(int(state[0]) << 32 | int(state[1]))
        return torch.randn(tuple(shape), generator=generator)

    return noise
