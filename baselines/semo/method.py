"""SeMo behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.method import ClipContext, MethodUnavailable

STAGES = ("stage1", "stage1b", "stage2", "reflow")


class Method:
    name = "SeMo"
    tasks = ("reconstruct", "talk")
    weights = ("semo-mini",)
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ()
    kind = "scratch"
    needs_truth = False

    def __init__(self) -> None:
        self._pipeline: Any = None

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """`weights`: a model folder; None takes the released weights."""
        from semo.pipeline import SeMoPipeline, released

        try:
            folder = Path(weights) if weights is not None else released()
        except (OSError, ValueError) as error:
            raise MethodUnavailable(str(error)) from error
        if not folder.is_dir():
            raise MethodUnavailable(f"the model folder {folder.name} does not exist")
        self._pipeline = SeMoPipeline.from_pretrained(folder, device=device)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        config = self._pipeline.config
        made = {
            "sampler": "Euler",
            "steps": options.get("steps") or config.sampler_steps,
            "precision": str(self._pipeline.dtype).removeprefix("torch."),
        }
        if self._pipeline.motion_generator is not None:
            made["motion_steps"] = options.get("motion_steps") or config.motion_sampler_steps
        if options.get("mask_ratio"):
            made["mask_ratio"] = options["mask_ratio"]
        trained = {stage: config.training[stage] for stage in STAGES if stage in config.training}
        stages = [f"{stage} {facts['steps']}" for stage, facts in trained.items() if "steps" in facts]
        return made | ({"trained": " + ".join(stages) + " steps"} if stages else {})

    def parameters(self, task: str) -> int:
        """Parameters of the networks the task uses, the codec's included."""
        used = [self._pipeline.codec, self._pipeline.motion_encoder, self._pipeline.decoder]
        if task == "talk":
            used.append(self._pipeline.motion_generator)
        return sum(p.numel() for network in used if network is not None for p in network.parameters())

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        options = context.options
        return self._pipeline.reconstruct(
            source,
            driving,
            steps=options.get("steps"),
            seed=context.seed,
            mask_ratio=options.get("mask_ratio", 0.0),
        )

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        if self._pipeline.motion_generator is None:
            raise MethodUnavailable("the model has no motion generator: stage 2 was not trained")
        options = context.options
        return self._pipeline.talk(
            source,
            waveform,
            frames=frames,
            steps=options.get("steps"),
            motion_steps=options.get("motion_steps"),
            seed=context.seed,
        )
