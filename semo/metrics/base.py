"""What a metric declares about itself, and how per-frame values become one number per clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FrameFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class MetricError(ValueError):
    """Two videos cannot be compared; the message says which property differs."""


def mean_of_frames(parts: np.ndarray) -> float | None:
    """Per-frame values (T, 1) -> their mean; the default way to pool."""
    return float(parts[:, 0].mean())


@dataclass(frozen=True)
class Metric:
    """One metric: its identity, how to read it and how to compute it.

    `frames(truth, generated, source)` takes uint8 (T, H, W, 3), uint8 (T, H, W, 3) and uint8 (H, W, 3) and returns
    float64 (T, k): what each frame contributes. `pool` turns all rows of one clip into its value, or None where the
    clip has none. Both are pure, so a clip can be measured in chunks of any size. A metric without `frames` cannot be
    computed here: `not_run` says why in a sentence, `needs` in two or three words.
    """

    name: str
    label: str
    better: str
    unit: str
    level: str
    variant: str
    protocol: str
    tasks: tuple[str, ...] = ("reconstruct", "cross", "talk")
    features: str = "frames"
    frames: FrameFunction | None = None
    pool: Callable[[np.ndarray], float | None] = mean_of_frames
    shown_scale: float = 1.0
    digits: int = 3
    not_run: str = ""
    needs: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"metric {self.name}: better must be 'higher' or 'lower', not {self.better!r}")
        if self.level not in ("frame", "clip", "set"):
            raise ValueError(f"metric {self.name}: level must be 'frame', 'clip' or 'set', not {self.level!r}")
        if self.frames is None and not (self.not_run and self.needs):
            raise ValueError(f"metric {self.name}: without a function it must say why it is not run")

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    def clip(self, truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> float | None:
        """The value of one clip held in memory; see `frames` for shapes. Raises MetricError on unequal shapes."""
        check_comparable(truth, generated, source)
        if self.frames is None:
            raise MetricError(f"{self.label} is not run: {self.not_run}")
        return self.pool(self.frames(truth, generated, source))


def check_comparable(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> None:
    """Refuse pairs a metric would silently misread: other lengths, sizes or value types."""
    for name, frames in (("truth", truth), ("generated", generated), ("source", source)):
        if frames.dtype != np.uint8:
            raise MetricError(f"{name} frames are {frames.dtype}, not uint8 in 0..255: convert them first")
    if truth.ndim != 4 or truth.shape[-1] != 3:
        raise MetricError(f"truth has shape {truth.shape}, not (frames, height, width, 3)")
    if len(truth) != len(generated):
        raise MetricError(
            f"the generated video has {len(generated)} frames and the truth {len(truth)}: "
            "generate the clip again with the same number of frames"
        )
    if truth.shape != generated.shape or truth.shape[1:] != source.shape:
        raise MetricError(
            f"sizes differ: truth {truth.shape[1:3]}, generated {generated.shape[1:3]}, source {source.shape[:2]}: "
            "resize the generated video to the size of the truth"
        )
    if len(truth) == 0:
        raise MetricError("the clip has no frames")


def squared_error(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Squared differences on [0, 1], float64, shape of the inputs."""
    return ((truth.astype(np.float64) - generated.astype(np.float64)) / 255.0) ** 2


def decibels(mse: np.ndarray, cap: float = 100.0) -> np.ndarray:
    """-10 log10(mse) for a peak of 1, at most `cap` dB (what two identical frames get)."""
    return -10.0 * np.log10(np.maximum(mse, 10.0 ** (-cap / 10.0)))
