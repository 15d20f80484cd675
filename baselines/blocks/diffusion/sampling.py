"""DDIM over a clip of any length, in windows whose predictions are averaged where they overlap.

All frames go through the sampler's steps together in AnimateAnyone's pipeline: in each step every window is predicted,
overlapping predictions are averaged, and every frame makes its step. A frame's step needs no more than the windows that
hold it, so here each step is a stream that reads the stream of the step before: the same numbers, while only the few
frames between a step's front and its rear are in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from baselines.blocks.diffusion.noise import Noise
from baselines.blocks.diffusion.windows import windows
from baselines.blocks.reference_unet import ddim, guided

_OPTIONS: dict[str, Any] = {"steps": int, "guidance": int | float, "context": int, "overlap": int}


class Denoiser(Protocol):
    """A U-Net with all it is told of a clip."""

    def __call__(self, latent: Tensor, timestep: int, frames: range, unconditional: Tensor | None) -> Tensor:
        """Noisy latent (R, C, F, h, w) of the clip's `frames` -> v of the same shape.

        unconditional: (R,) bool, rows that get neither portrait nor sound; None: all rows are told everything
        """


@dataclass(frozen=True)
class Sampling:
    """Steps of DDIM, scale of classifier-free guidance (1: none), frames of a window and of two windows' overlap."""

    steps: int
    guidance: float
    context: int
    overlap: int

    def changed(self, options: Mapping[str, Any]) -> Sampling:
        """With those of `steps`, `guidance`, `context`, `overlap` that a run sets. Raises ValueError."""
        given = {name: options[name] for name in _OPTIONS if options.get(name) is not None}
        made = replace(self, **given)
        for name, kind in _OPTIONS.items():
            if not isinstance(getattr(made, name), kind):
                raise ValueError(f"the option {name} is a number, not {getattr(made, name)!r}")
        if not 1 <= made.steps <= 1000:
            raise ValueError(f"the sampler makes from 1 to 1000 steps, not {made.steps}")
        if made.guidance < 1:
            raise ValueError(f"guidance is 1 (none) or more, not {made.guidance:g}")
        windows(1, made.context, made.overlap)
        return made

    def settings(self) -> dict[str, Any]:
        """For the record of a run."""
        return {
            "sampler": "DDIM (v-prediction, zero terminal SNR, trailing)",
            "steps": self.steps,
            "guidance": self.guidance,
            "context": self.context,
            "overlap": self.overlap,
        }


@torch.inference_mode()
def predicted(denoiser: Denoiser, latent: Tensor, timestep: int, frames: range, guidance: float) -> Tensor:
    """v of a window (F, C, h, w); with guidance 1 the U-Net runs once, on one row."""
    row = latent.transpose(0, 1)[None]  # (1, C, F, h, w)
    if guidance <= 1:
        return denoiser(row, timestep, frames, None)[0].transpose(0, 1)
    rows = torch.tensor([True, False], device=latent.device)
    v = denoiser(row.expand(2, -1, -1, -1, -1), timestep, frames, rows)
    return guided(v, guidance)[0].transpose(0, 1)


def denoised(denoiser: Denoiser, latent: Tensor, frames: range, sampling: Sampling) -> Tensor:
    """One window (F, C, h, w) on its own, from noise to the end."""
    scheduler = ddim(sampling.steps)
    for timestep in scheduler.timesteps.tolist():
        v = predicted(denoiser, latent, timestep, frames, sampling.guidance)
        latent = scheduler.step(v, timestep, latent).prev_sample
    return latent


def sample_overlapping(
    denoiser: Denoiser, noise: Noise, frames: int, sampling: Sampling, device: str | torch.device = "cpu"
) -> Iterator[Tensor]:
    """Latents (C, h, w) of `frames` frames in order, each as soon as it is done."""
    scheduler, spans = ddim(sampling.steps), windows(frames, sampling.context, sampling.overlap)
    stream = (noise(frame).to(device) for frame in range(frames))
    for timestep in scheduler.timesteps.tolist():
        stream = _one_step(denoiser, stream, spans, timestep, scheduler, sampling.guidance)
    return stream


def _one_step(
    denoiser: Denoiser, before: Iterator[Tensor], spans: Sequence[range], timestep: int, scheduler: Any, guidance: float
) -> Iterator[Tensor]:
    """The latents of one step from those of the step before; holds no more of them than two windows cover."""
    latents: deque[Tensor] = deque()
    sums: deque[Tensor] = deque()
    counts: deque[int] = deque()
    first = 0  # frame number of latents[0]
    for span, following in zip(spans, [*(later.start for later in spans[1:]), spans[-1].stop], strict=True):
        latents.extend(next(before) for _ in range(span.stop - first - len(latents)))
        window = torch.stack([latents[frame - first] for frame in span])
        for frame, v in zip(span, predicted(denoiser, window, timestep, span, guidance), strict=True):
            if frame - first < len(sums):
                sums[frame - first] = sums[frame - first] + v
                counts[frame - first] += 1
            else:
                sums.append(v)
                counts.append(1)
        while first < following:
            v = sums.popleft() / counts.popleft()
            yield scheduler.step(v, timestep, latents.popleft()).prev_sample
            first += 1
