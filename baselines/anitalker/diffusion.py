"""Gaussian diffusion over motion codes (Ho et al., 2020) and its deterministic sampling, DDIM (Song et al., 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TRAIN_TIMESTEPS, BETA_START, BETA_END = 1000, 1e-4, 0.02


def signal(timesteps: int = TRAIN_TIMESTEPS, start: float = BETA_START, end: float = BETA_END) -> Tensor:
    """Share of the signal's variance left at every timestep, float64 (timesteps,), for linearly growing betas."""
    return torch.cumprod(1 - torch.linspace(start, end, timesteps, dtype=torch.float64), dim=0)


def spaced(steps: int, timesteps: int = TRAIN_TIMESTEPS) -> list[int]:
    """`steps` timesteps, ascending from 0, evenly apart. Raises ValueError for less than one or more than there are."""
    if not 1 <= steps <= timesteps:
        raise ValueError(f"sampling takes 1 to {timesteps} steps, not {steps}")
    return [index * timesteps // steps for index in range(steps)]


def noised(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Clean motion (B, T, D) at the timesteps `time` (B)."""
    left = signal().to(clean)[time][:, None, None]
    return left.sqrt() * clean + (1 - left).sqrt() * noise


@dataclass(frozen=True)
class Step:
    """After one step: which of the timesteps it left, the sample, and the clean motion predicted by the way."""

    index: int
    sample: Tensor
    clean: Tensor


def ddim(
    noise_at: Callable[[Tensor, int], Tensor],
    sample: Tensor,
    timesteps: Sequence[int],
    bound: tuple[float, float] | None,
    signals: Tensor | None = None,
    indices: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Steps from `sample`, noise of the last timestep, down to clean motion; eta = 0.

    `noise_at(x, timestep)`: the network. `timesteps`: ascending. `bound`: of the predicted clean motion, whose noise is
    computed anew after it was cut. `signals`: `signal()` of another schedule. `indices`: those into `timesteps` to
    visit, all from the last to the first by default.
    """
    left = (signal() if signals is None else signals)[torch.as_tensor(timesteps)]
    for index in reversed(range(len(timesteps))) if indices is None else indices:
        scale, spread = float(left[index] ** -0.5), float((1 / left[index] - 1) ** 0.5)
        clean = scale * sample - spread * noise_at(sample, timesteps[index])
        if bound is not None:
            clean = clean.clamp(*bound)
        noise = (scale * sample - clean) / spread
        # float32 as in the original: 1 - 0.9999 is 2e-4 of itself off, which later predictions show
        before = left[index - 1].float() if index else torch.ones(())
        sample = float(before.sqrt()) * clean + float((1 - before).sqrt()) * noise
        yield Step(index, sample, clean)
