"""Videos made elsewhere, by any program: `<folder>/<clip id>.<any container>`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from baselines.method import ClipContext, ClipFailure, MethodUnavailable


class Method:
    name = "external"
    tasks = ("reconstruct", "talk")
    weights: tuple[str, ...] = ()
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ("unknown",)
    kind = "other"
    needs_truth = False

    def __init__(self) -> None:
        self._videos: dict[str, list[Path]] = {}
        self._folder = Path()

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """`weights`: the folder of videos."""
        if weights is None or not Path(weights).is_dir():
            raise MethodUnavailable(f"the folder of videos {weights} does not exist: give it with --weights")
        self._folder = Path(weights)
        self._videos = {}
        for path in sorted(p for p in self._folder.iterdir() if p.is_file() and not p.name.startswith(".")):
            self._videos.setdefault(path.stem, []).append(path)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"videos": self._folder.name}

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        return self._frames(context.clip, source.shape[0], sum(1 for _ in driving), context.fps)

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        return self._frames(context.clip, source.shape[0], frames, context.fps)

    def _frames(self, clip: str, side: int, wanted: int, fps: float) -> Iterator[np.ndarray]:
        from semo.media import MediaError, crop_resize, iter_frames

        found = self._videos.get(clip, [])
        if not found:
            raise ClipFailure(f"no video {clip}.* in the folder {self._folder.name}")
        if len(found) > 1:
            raise ClipFailure(f"{len(found)} videos are called {clip}: {', '.join(p.name for p in found)}; keep one")
        made = 0
        try:
            for frame in islice(iter_frames(found[0], fps=fps), wanted):
                made += 1
                yield crop_resize(frame, None, side)
        except MediaError as error:
            raise ClipFailure(str(error)) from error
        if made < wanted:
            raise ClipFailure(f"{found[0].name} has {made} frames at {fps:g} fps, the clip {wanted}")
