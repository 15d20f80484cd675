"""What a metric declares about itself, and how frames or features become numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semo.features.base import TIERS, Features

FrameFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
LEVELS = ("frame", "clip", "set")


class MetricError(ValueError):
    """Two videos cannot be compared; the message says which property differs."""


@dataclass(frozen=True)
class ClipFeatures:
    """One network's features of a true and a generated clip of equally many frames.

    `truth`: ground truth of the clip as the data set gives it (`ClipSet.truth`), None where there is none.
    """

    real: Features
    fake: Features
    truth: Mapping[str, np.ndarray] | None = None


def mean_of_frames(parts: np.ndarray) -> float | None:
    """Per-frame values (T, 1) -> their mean; the default way to pool."""
    return float(parts[:, 0].mean())


@dataclass(frozen=True)
class Metric:
    """One metric: its identity, how to read it and how to compute it.

    Exactly one of these computes it, each a pure function:
    - `frames(truth, generated, source)`: uint8 (T, H, W, 3) twice and uint8 (H, W, 3) -> float64 (T, k), what each
      frame contributes; `pool` turns all rows of a clip into its value, so a clip can be measured in chunks;
    - `network` alone: the name of a PairedNetwork, whose distances are pooled the same way;
    - `network` and `of_clip`: the value of one clip from the features of an Extractor;
    - `network` and `of_set`: one value for many clips from their features, true ones first.
    `pool`, `of_clip` and `of_set` return None where there is no value; `why_none` then says why of a clip.

    `tier`: of its network, `pixels` without one. `stands_for`: the metric of the reference tier whose column it fills
    where that tier is not used; its own name is printed. `variant_of`: the metric it is another convention of; such a
    metric is computed only when named. Metrics without `tasks` are computed by `semo score` alone. `enough`: what a set
    metric needs to mean something, as (number, of what: `frames`, `windows` or `clips`, who says so).
    """

    name: str
    label: str
    better: str
    unit: str
    level: str
    variant: str
    protocol: str
    tasks: tuple[str, ...] = ("reconstruct", "cross", "talk")
    tier: str = "pixels"
    network: str = ""
    stands_for: str = ""
    variant_of: str = ""
    frames: FrameFunction | None = None
    of_clip: Callable[[ClipFeatures], float | None] | None = None
    of_set: Callable[[Sequence[Features], Sequence[Features]], float | None] | None = None
    pool: Callable[[np.ndarray], float | None] = mean_of_frames
    why_none: Callable[[ClipFeatures], str | None] | None = None
    shown_scale: float = 1.0
    digits: int = 3
    enough: tuple[int, str, str] | None = None

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"metric {self.name}: better must be 'higher' or 'lower', not {self.better!r}")
        if self.level not in LEVELS or (self.level == "set") != (self.of_set is not None):
            raise ValueError(f"metric {self.name}: level must be one of {LEVELS}, and 'set' where of_set is given")
        if self.tier not in (*TIERS, "pixels") or (self.tier == "pixels") != (not self.network):
            raise ValueError(f"metric {self.name}: tier is that of its network, 'pixels' without one")
        if sum(f is not None for f in (self.frames, self.of_clip, self.of_set)) > 1 or not (
            self.frames or self.network
        ):
            raise ValueError(f"metric {self.name}: one of frames, network, of_clip and of_set computes it")

    @property
    def title(self) -> str:
        """The name as printed where values are not scaled for show."""
        return self.label.split(" ×")[0]

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    def clip(self, truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> float | None:
        """The value of one clip held in memory; see `frames` for shapes. Raises MetricError on unequal shapes."""
        check_comparable(truth, generated, source)
        if self.frames is None:
            raise MetricError(f"{self.label} needs the network {self.network}: measure it with semo score")
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
