"""The truth through the codec and back: what no method that works in this codec's latents can exceed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from baselines.method import ClipContext, MethodUnavailable

BATCH = 16


class Method:
    name = "codec"
    tasks = ("reconstruct", "talk")
    weights: tuple[str, ...] = ()
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ()
    kind = "bound"
    needs_truth = True

    def __init__(self) -> None:
        self._pipeline: Any = None

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """`weights`: a model folder of the suite, whose codec is measured."""
        if weights is None:
            raise MethodUnavailable("the codec bound needs the model folder whose codec it measures (--weights)")
        from semo.pipeline import SeMoPipeline

        self._pipeline = SeMoPipeline.from_pretrained(weights, device=device)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        return self._round_trip(context.annotations["truth"]())

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        return self._round_trip(islice(context.annotations["truth"](), frames))

    def _round_trip(self, truth: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        truth = iter(truth)
        while batch := list(islice(truth, BATCH)):
            yield from self._pipeline.encode_decode(np.stack(batch))
