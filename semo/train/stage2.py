"""Stage 2: the motion generator on cached motions and audio features (paper sections 3.2 and 3.3, Eq. 9)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from semo.flow import Flow, interpolate
from semo.model import MotionGenerator
from semo.pipeline import SeMoPipeline
from semo.train.data import WHOLE, FrameBank, Part, step_generator
from semo.train.motions import MotionBatch, make_motions
from semo.train.settings import Preset
from semo.train.stream import StreamBank


class Stage2(nn.Module):
    """The motion generator; encoder and decoder are frozen."""

    name = "stage2"

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank | StreamBank, seed: int):
        super().__init__()
        settings = preset.stage2
        data = make_motions(settings, pipeline, bank, seed)
        torch.manual_seed(seed)
        self.motion_generator = MotionGenerator(
            motion_tokens=preset.motion_tokens,
            motion_dim=preset.motion_dim,
            audio_dim=data.audio_dim,
            **vars(settings.network),
            previous=settings.previous,
            window=settings.window,
            activation=preset.activation,
            gate_init=preset.gate_init,
        )
        flow = Flow(settings.prediction, settings.tau_schedule)
        self.__dict__.update(pipeline=pipeline, data=data, seed=seed, flow=flow, settings=settings)
        self.optimiser = settings.optimiser

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[MotionBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        size, generator = part.size(self.optimiser.batch), part.generator(self.seed, step)
        return self.data.batch(size, self.flow, generator, (step, part))

    def forward(self, batch: MotionBatch) -> Tensor:
        """Mean loss of Eq. 9."""
        return generator_loss(self.motion_generator, self.flow, batch).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Share of the motions' variance explained by one-step generation, and how much of it is due to the sound."""
        batch, _ = self.data.batch(64, self.flow, step_generator(self.seed, 0, stream=101))
        device = next(self.parameters()).device
        batch = MotionBatch(**{k: v.to(device) for k, v in vars(batch).items()})
        batch.tau = torch.ones_like(batch.tau)
        batch.has_audio = torch.ones_like(batch.has_audio)
        own = self._explained(batch)
        batch.audio = batch.audio.roll(1, 0)
        return {"explained": own, "audio_use": own - self._explained(batch)}

    def _explained(self, batch: MotionBatch) -> float:
        out = self.motion_generator(
            batch.previous, batch.noise, batch.reference, batch.audio, batch.tau, batch.has_previous, batch.has_audio
        )
        if self.flow.prediction == "v":
            out = out + batch.noise
        return float(1 - (out - batch.target).square().mean() / batch.target.square().mean())

    def finished(self) -> SeMoPipeline:
        """The pipeline with the trained generator."""
        pipeline = self.pipeline
        pipeline.motion_generator = self.motion_generator
        pipeline.motion_stats = (self.data.mean, self.data.std)
        pipeline.config = dataclasses.replace(
            pipeline.config, motion_flow=self.flow, audio=self.settings.audio, audio_path=self.settings.audio_path
        )
        return pipeline


def generator_loss(network: MotionGenerator, flow: Flow, batch: MotionBatch) -> Tensor:
    """Per-sample loss (B,) of the generator on a batch."""
    noised = interpolate(batch.target, batch.noise, batch.tau)
    prediction = network(
        batch.previous, noised, batch.reference, batch.audio, batch.tau, batch.has_previous, batch.has_audio
    )
    return flow.loss(prediction, batch.target, batch.noise)
