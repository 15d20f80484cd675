"""What the audio-driven rivals share behind the contract of `baselines.method`: weights, frame rates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from baselines.blocks.rival import TrainedOrOfficial
from baselines.method import ClipContext, MethodUnavailable
from semo.media import FPS


class TalkMethod(TrainedOrOfficial):
    """A rival that moves a portrait by sound. Subclasses name themselves, their sizes, networks and official files.

    `fps`: frames per second at which its networks work; results are resampled to 25 by time. `needs_face`: whether
    `context.annotations["face"]` is called, a function that gives the `baselines.inputs.face.Face` of the source.
    """

    fps: ClassVar[float] = FPS
    needs_face: ClassVar[bool] = False
    tasks: tuple[str, ...] = ("talk",)

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        raise MethodUnavailable(f"{self.name} is driven by sound, not by video")


def frames_at(fps: float, frames: int) -> int:
    """How many frames at `fps` cover `frames` frames at 25 per second: each of these has one nearest in time."""
    return max(1, math.floor((frames - 1) * fps / FPS + 0.5) + 1)


def resampled(native: Iterator[np.ndarray], fps: float, frames: int) -> Iterator[np.ndarray]:
    """`frames` frames at 25 per second from frames at `fps`: for time i / 25 the nearest, the later of two as near.

    Takes only as many as it needs. Raises ValueError where `native` ends before them.
    """
    position, current = -1, None
    for i in range(frames):
        wanted = math.floor(i * fps / FPS + 0.5)
        while position < wanted:
            current = next(native, None)
            position += 1
            if current is None:
                raise ValueError(f"only {position} frames at {fps:g} per second, {frames_at(fps, frames)} are needed")
        yield current


def cut_sound(waveform: np.ndarray, frames: int, rate: int) -> np.ndarray:
    """Sound of exactly `frames` frames at 25 per second: cut, or padded with silence."""
    length = round(frames / FPS * rate)
    return np.pad(waveform[:length], (0, max(0, length - len(waveform))))
