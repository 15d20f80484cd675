"""What a training clip teaches the audio networks: its sound, mesh and head pose at 30 frames per second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from baselines.aniportrait.head import Head, as_ibug68
from baselines.aniportrait.hearing import FPS as NATIVE
from baselines.aniportrait.hearing import MelHearing
from baselines.inputs.face import Face
from semo.media import FPS


@dataclass(frozen=True)
class Moves:
    """Of one clip, F frames at 30 per second; NaN where a frame beside has no face.

    sound: (F, ...) as `Hearing.prepared` gives it; offsets: (F, K, 3) of the mesh from its mean over the clip;
    head: shapes, rotations and places; style: number of the clip's head motion
    """

    sound: Tensor
    offsets: Tensor
    head: Head
    style: int

    @classmethod
    def of(cls, face: Face, waveform: np.ndarray, hearing: MelHearing, style: int) -> Moves:
        """From a face at 25 frames per second and the sound beside it."""
        head = at_native_rate(Head.of(as_ibug68(face)))
        seen = np.isfinite(head.shape).all((1, 2))
        mean = head.shape[seen].mean(0) if seen.any() else 0.0
        offsets = torch.from_numpy((head.shape - mean).astype(np.float32))
        return cls(hearing.prepared(waveform, len(offsets)), offsets, head, style)

    def drawn(self, start: int, frames: int) -> dict[str, Tensor]:
        """A window of `frames` frames at 25 per second from frame `start` on; head motion is relative to its first."""
        first = math.ceil(start * NATIVE / FPS)
        span = slice(first, first + native_frames(frames))
        motion = self.head[span].motion(self.head[first : first + 1])
        return {
            "sound": self.sound[span],
            "offsets": self.offsets[span],
            "motion": torch.from_numpy(motion.astype(np.float32)),
            "styles": torch.tensor(self.style),
        }


def native_frames(frames: int) -> int:
    """How many frames at 30 per second lie within `frames` frames at 25, wherever these begin."""
    return max(1, int(frames * NATIVE / FPS) - 1)


def at_native_rate(head: Head) -> Head:
    """A head at 25 frames per second, in between frames at 30."""
    places = np.arange(math.floor((len(head.shape) - 1) * NATIVE / FPS) + 1) * FPS / NATIVE
    lower = np.floor(places).astype(int)
    upper, share = np.minimum(lower + 1, len(head.shape) - 1), places - lower

    def between(values: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        return values[lower] * (1 - weight) + values[upper] * weight

    turned = Rotation.from_matrix(between(head.rotation)).as_matrix()  # the nearest rotation
    return Head(between(head.shape), turned, between(head.place))
