"""Networks behind metrics: what each declares, and how frames of one clip go in and features come out.

Metrics never touch a network: they are pure functions of features. A network never sees a whole video: it is fed the
chunks of the one decode that serves all networks, so memory does not grow with the clip's frames beyond the features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

# named arrays of one clip; by custom the first axis is frames or windows, and a row of NaN is a frame without a face
Features = dict[str, np.ndarray]

# official weights; permissive networks under 4 MiB; small networks trained by this project on portraits-mini
TIERS = ("reference", "compact", "bundled")
SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "metrics"


class Network(ABC):
    """One network with one preprocessing.

    `name`: unique, never that of another tier's network. `weights`: ids in weights.yaml whose files it needs;
    `shipped`: names of its files in semo/weights/metrics instead (bundled tier). `protocol`: the preprocessing in
    words; it is part of the key under which features are kept, so it changes whenever the features would.
    """

    name: ClassVar[str]
    tier: ClassVar[str]
    protocol: ClassVar[str]
    weights: ClassVar[tuple[str, ...]] = ()
    shipped: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        """`files`: file name -> path of every file of `weights` and `shipped`, each with its sha256 verified."""


class PairedNetwork(Network):
    """Compares true and generated frames directly: its features would be too large to keep."""

    @abstractmethod
    def distances(self, truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
        """uint8 (T, H, W, 3) twice -> float64 (T,); a frame's value does not depend on the others."""


class Extractor(Network):
    """Turns one clip into features, whatever it will be compared with. `needs_audio`: clips without sound have none."""

    needs_audio: ClassVar[bool] = False

    @abstractmethod
    def start(self) -> Session:
        """Begin a clip. Several sessions may be open at once."""


class Session(ABC):
    """One clip on its way through an extractor; results do not depend on how the frames are cut into chunks."""

    @abstractmethod
    def add(self, frames: np.ndarray) -> None:
        """The next frames, uint8 (n, H, W, 3), n >= 1, 25 per second."""

    @abstractmethod
    def finish(self, waveform: np.ndarray | None) -> Features:
        """Features of the whole clip; `waveform` is float32 mono 16 kHz, as long as the frames, or None."""


class FrameExtractor(Extractor):
    """An extractor that sees frames one by one: `frames` maps uint8 (n, H, W, 3) to float32 (n, D)."""

    batch: ClassVar[int] = 16

    @abstractmethod
    def frames(self, frames: np.ndarray) -> np.ndarray: ...

    def start(self) -> Session:
        return _FrameSession(self)


class _FrameSession(Session):
    def __init__(self, extractor: FrameExtractor):
        self.extractor, self.rows = extractor, []

    def add(self, frames: np.ndarray) -> None:
        step = self.extractor.batch
        self.rows += [self.extractor.frames(frames[i : i + step]) for i in range(0, len(frames), step)]

    def finish(self, waveform: np.ndarray | None) -> Features:
        return {"frames": np.concatenate(self.rows).astype(np.float32)}


class WindowExtractor(Extractor):
    """An extractor that sees `length` consecutive frames, every `stride` frames; clips shorter than that have no row.

    `windows` maps uint8 (n, length, H, W, 3) to float32 (n, D).
    """

    length: ClassVar[int] = 16
    stride: ClassVar[int] = 16

    @abstractmethod
    def windows(self, windows: np.ndarray) -> np.ndarray: ...

    def start(self) -> Session:
        return _WindowSession(self)


class _WindowSession(Session):
    def __init__(self, extractor: WindowExtractor):
        self.extractor, self.rows = extractor, []
        self.held: list[np.ndarray] = []
        self.skip = 0  # frames to pass over before the next window, where stride exceeds length

    def add(self, frames: np.ndarray) -> None:
        length, stride = self.extractor.length, self.extractor.stride
        for frame in frames:
            if self.skip:
                self.skip -= 1
                continue
            self.held.append(frame)
            if len(self.held) == length:
                self.rows.append(self.extractor.windows(np.stack(self.held)[None]))
                self.held = self.held[stride:]
                self.skip = max(0, stride - length)

    def finish(self, waveform: np.ndarray | None) -> Features:
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, 0))
        return {"windows": rows.astype(np.float32)}
