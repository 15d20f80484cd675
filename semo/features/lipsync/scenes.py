"""Scene cuts as PySceneDetect 0.6's ContentDetector finds them by default."""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLD = 27.0
SHORTEST = 15  # frames from one cut to the next
_WORKING_SIDE = 256


class SceneCuts:
    """Fed frame by frame; `cuts` are the numbers of the frames that begin a new scene.

    A frame's change is the mean absolute difference to the one before it over hue, saturation and value. Cuts closer
    than 15 frames merge into one, at the last of them.
    """

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self.count = 0
        self._previous: np.ndarray | None = None
        self._last = 0  # last frame that changed enough; the first frame to begin with
        self._merging_since: int | None = None

    def add(self, frame: np.ndarray) -> None:
        """uint8 (H, W, 3) BGR."""
        factor = max(frame.shape[:2]) / _WORKING_SIDE
        if factor > 1:
            size = max(1, round(frame.shape[1] / factor)), max(1, round(frame.shape[0] / factor))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        hsv = cv2.cvtColor(frame, cv2.COLOR_BGR2HSV).astype(np.int16)
        change = 0.0 if self._previous is None else float(np.abs(hsv - self._previous).mean(dtype=np.float64))
        self._previous = hsv
        self.note(change)

    def note(self, change: float) -> None:
        """The next frame's change, 0 for the first."""
        changed, far = change >= THRESHOLD, self.count - self._last >= SHORTEST
        if changed:
            self._last = self.count
        if self._merging_since is not None:
            if far and not changed and self._last - self._merging_since >= SHORTEST:
                self._merging_since = None
                self.cuts.append(self._last)
        elif changed and far:
            self.cuts.append(self.count)
        elif changed and self.cuts:
            self._merging_since = self.count
        self.count += 1

    def scenes(self) -> list[tuple[int, int]]:
        """(first frame, frame after the last) of every scene so far."""
        edges = [0, *self.cuts, self.count]
        return list(zip(edges[:-1], edges[1:], strict=True))
