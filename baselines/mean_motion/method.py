"""SeMo's decoder with the mean motion of the training frames in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.blocks.control import MotionControl
from baselines.method import ClipContext, MethodUnavailable

if TYPE_CHECKING:
    from torch import Tensor

    from semo.pipeline import SeMoPipeline

BATCH = 16


class Method(MotionControl):
    name = "mean-motion"
    motion = "mean of the training frames"

    def load(self, weights: Path | None, size: str, device: str) -> None:
        super().load(weights, size, device)
        assert self._pipeline is not None
        if self._pipeline.motion_stats is None:
            raise MethodUnavailable("the model holds no mean motion: stage 2, which takes it, was not trained")

    def motions(self, pipeline: SeMoPipeline, m_ref: Tensor, frames: int, context: ClipContext) -> Iterator[Tensor]:
        assert pipeline.motion_stats is not None
        mean = pipeline.motion_stats[0].to(m_ref)
        for start in range(0, frames, BATCH):
            yield mean.expand(min(BATCH, frames - start), *m_ref.shape[1:])
