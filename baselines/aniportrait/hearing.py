"""Speech as one vector per frame at 30 per second: wav2vec2's, or at toy size of convolutions over log-mel bins."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from semo.audio import HOP, LogMel
from semo.media import RATE

FPS = 30  # of the audio networks
RADIUS = 9  # frames on either side that a toy's vector depends on


class Hearing(Protocol):
    """An encoder of speech. `width`: of a vector."""

    width: int

    def prepared(self, waveform: np.ndarray, frames: int) -> Tensor:
        """float32 16 kHz -> what `cut` takes pieces of: exactly `frames` frames, cut or padded with silence."""

    def cut(self, sound: Tensor, frames: range) -> Tensor:
        """The sound of some frames as a batch of one."""

    def __call__(self, sound: Tensor, frames: int) -> Tensor:
        """A batch of sounds of `frames` frames -> (B, frames, width)."""


class MelHearing(nn.Module):
    """Stands in for wav2vec2 at toy size: each vector hears `RADIUS` frames before and after, 0.3 s.

    A sound is (B, frames, 80): log-mel bins at the times of the frames.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.into = nn.Conv1d(LogMel.dim, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in (2, 4))
        self.out = nn.Conv1d(width, width, 5, padding=2)

    def prepared(self, waveform: np.ndarray, frames: int) -> Tensor:
        vectors = -(-(frames - 1) * RATE // (FPS * HOP)) + 1  # the last is at the last frame or after it
        mel = LogMel().encode(_fitted(waveform, vectors * HOP), -(-vectors // 2))
        places = np.arange(frames) * RATE / (FPS * HOP)
        lower = np.floor(places).astype(int)
        share = (places - lower)[:, None].astype(np.float32)
        upper = np.minimum(lower + 1, len(mel) - 1)
        return torch.from_numpy(mel[lower] * (1 - share) + mel[upper] * share)

    def cut(self, sound: Tensor, frames: range) -> Tensor:
        return sound[None, frames.start : frames.stop]

    def forward(self, sound: Tensor, frames: int) -> Tensor:
        x = nn.functional.gelu(self.into(sound.mT))  # (B, width, frames)
        for layer in self.layers:
            x = x + nn.functional.gelu(layer(x))
        return self.out(x).mT


def _fitted(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform[:samples], (0, max(0, samples - len(waveform))))
