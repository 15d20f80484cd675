"""Motion codes of a clip from its sound: one sequence as in the original, or overlapping windows of it.

The original samples any length as one sequence, whose attention needs memory that grows with its square. Up to
`window` frames this is the same here. Longer sound is heard and denoised in windows; in every step of sampling the
noise of frames that several windows see is their weighted mean, so that all windows follow one trajectory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from baselines.anitalker.diffusion import ddim, signal, spaced
from baselines.anitalker.predictor import Condition, MotionPredictor
from baselines.anitalker.sound import PER_FRAME, Heard, Hubert, Mfcc

Span = tuple[int, int]


def spans(frames: int, window: int, overlap: int) -> list[Span]:
    """Windows [start, stop) that cover `frames`; neighbours share at least `overlap` frames, the last ends the clip."""
    if frames <= window:
        return [(0, frames)]
    count = -(-(frames - overlap) // (window - overlap))
    starts = [round(index * (frames - window) / (count - 1)) for index in range(count)]
    return [(start, start + window) for start in starts]


def shares(parts: list[Span], overlap: int) -> list[Tensor]:
    """Weight (T) of every window's frames, rising and falling along `overlap` frames; the sum over windows is 1."""
    weights = []
    for start, stop in parts:
        place = torch.arange(stop - start, dtype=torch.float32)
        weights.append(torch.minimum(place, place.flip(0)).add_(1).clamp_(max=overlap + 1))
    total = torch.zeros(parts[-1][1])
    for (start, stop), weight in zip(parts, weights):
        total[start:stop] += weight
    return [weight / total[start:stop] for (start, stop), weight in zip(parts, weights)]


class MotionSampler:
    """Sound and a source frame -> motion codes. `listen`: `sound.Mfcc` or `sound.Hubert`, as the network was made."""

    def __init__(self, network: MotionPredictor, listen: Mfcc | Hubert, window: int, overlap: int):
        self.network, self.listen = network.eval().requires_grad_(False), listen
        self.window, self.overlap, self.signals = window, overlap, signal()

    @torch.inference_mode()
    def __call__(
        self, waveform: np.ndarray, source: Tensor, start: Tensor, seed: int, steps: int, control: Mapping[str, Tensor]
    ) -> Tensor:
        """Motion (T, motion_dim) of the T frames of the sound, float32 16 kHz.

        `source` (1, source_dim), `start` (1, motion_dim): code and motion of the source frame. `control`: a constant
        (n) for each control that is to be given; the others are predicted.
        """
        frames = len(waveform) // PER_FRAME
        parts = spans(frames, self.window, self.overlap)
        heard = self.listen(waveform)
        conditions = [self._condition(heard, part, source, start, control) for part in parts]
        noise = torch.randn(frames, start.shape[1], generator=torch.Generator().manual_seed(seed))
        noise_at = self._noise_at(parts, conditions, frames)
        sample = noise[None].to(start)
        bound = self.network.sizes.bound
        for step in ddim(noise_at, sample, spaced(steps), (-bound, bound)):
            sample = step.sample
        return self.network.motion(sample, start)[0]

    def _condition(
        self, heard: Heard, part: Span, source: Tensor, start: Tensor, control: Mapping[str, Tensor]
    ) -> Condition:
        given = {name: value.to(start).expand(1, part[1] - part[0], -1) for name, value in control.items()}
        return self.network.condition(heard(*part).to(start), source, start, given)

    def _noise(self, x: Tensor, timestep: int, condition: Condition) -> Tensor:
        """What the network says the noise is, directly or by saying what the motion is."""
        made = self.network(x, timestep, condition)
        if self.network.sizes.predicts == "noise":
            return made
        left = float(self.signals[timestep])
        return (x - left**0.5 * made) / (1 - left) ** 0.5

    def _noise_at(
        self, parts: list[Span], conditions: list[Condition], frames: int
    ) -> Callable[[Tensor, int], Tensor]:
        if len(parts) == 1:
            return lambda x, timestep: self._noise(x, timestep, conditions[0])
        weights = [weight[:, None] for weight in shares(parts, self.overlap)]

        def blended(x: Tensor, timestep: int) -> Tensor:
            noise = torch.zeros_like(x)
            for (start, stop), condition, weight in zip(parts, conditions, weights):
                made = self._noise(x[:, start:stop], timestep, condition)
                noise[:, start:stop] += weight.to(x) * made
            return noise

        return blended
