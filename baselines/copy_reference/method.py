"""The source frame repeated: what a method must beat wherever something moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.method import ClipContext


class Method:
    name = "copy-reference"
    tasks = ("reconstruct", "talk")
    weights: tuple[str, ...] = ()
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ()
    kind = "bound"
    needs_truth = False

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """Nothing to load."""

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        for _ in driving:
            yield source.copy()

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        for _ in range(frames):
            yield source.copy()
