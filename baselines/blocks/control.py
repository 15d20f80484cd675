"""What the controls share: SeMo's decoder moved by motion that was not made from the sound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baselines.method import ClipContext, MethodUnavailable

if TYPE_CHECKING:
    from torch import Tensor

    from semo.pipeline import SeMoPipeline


class MotionControl:
    """A control behind the contract of `baselines.method`. Subclasses name themselves and give the motion."""

    name: str
    motion: ClassVar[str]  # what moves the portrait, for the record
    needs_other_clip: ClassVar[bool] = False
    tasks = ("talk",)
    weights: tuple[str, ...] = ()
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ()
    kind = "control"
    needs_truth = False

    def __init__(self) -> None:
        self._pipeline: SeMoPipeline | None = None

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """`weights`: a SeMo model folder."""
        from semo.pipeline import SeMoPipeline

        if weights is None:
            raise MethodUnavailable(f"{self.name} needs the SeMo model folder whose decoder it moves (--weights)")
        self._pipeline = SeMoPipeline.from_pretrained(weights, device=device)

    @abstractmethod
    def motions(self, pipeline: SeMoPipeline, m_ref: Tensor, frames: int, context: ClipContext) -> Iterator[Tensor]:
        """Motions of `frames` frames, (T, l, d_m) at a time; `m_ref` (1, l, d_m) is the portrait's own."""

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        assert self._pipeline is not None
        return {"motion": self.motion, "steps": options.get("steps") or self._pipeline.config.sampler_steps}

    def parameters(self, task: str) -> int:
        """Parameters of codec, motion encoder and decoder."""
        assert self._pipeline is not None
        used = (self._pipeline.codec, self._pipeline.motion_encoder, self._pipeline.decoder)
        return sum(p.numel() for network in used for p in network.parameters())

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        raise MethodUnavailable(f"{self.name} is a control of methods that are driven by sound")

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        """`frames` frames of the model's size; the sound is not listened to."""
        pipeline = self._pipeline
        if pipeline is None:
            raise MethodUnavailable(f"{self.name} is not loaded")
        return pipeline.render(
            source,
            lambda m_ref: self.motions(pipeline, m_ref, frames, context),
            steps=context.options.get("steps"),
            seed=context.seed,
        )
