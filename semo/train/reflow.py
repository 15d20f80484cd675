"""Reflow: a student trained on the teacher's own (noise, sample) pairs needs fewer sampling steps.

The paper names "reflow distillation" only; this is 2-rectified flow (Liu et al., paper reference [20]).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semo.flow import interpolate
from semo.pipeline import SeMoPipeline
from semo.progress import progress
from semo.train.data import FrameBank, step_generator
from semo.train.settings import OptimiserSettings, Preset
from semo.train.stage2 import MotionBank, MotionBatch, generator_loss

CHUNK = 16


@dataclass
class PairedBatch:
    """Reference (B, c, h, w), motions, and the teacher's noise and sample, (B, c, h, w) or (B, F, c, h, w)."""

    reference: Tensor
    m_ref: Tensor
    m_tgt: Tensor
    noise: Tensor
    sample: Tensor
    tau: Tensor


def _optimiser(base: OptimiserSettings, preset: Preset) -> OptimiserSettings:
    return dataclasses.replace(base, lr=preset.reflow.lr, warmup=0)


class Reflow(nn.Module):
    """Straightens the decoder's flow; the motion encoder is frozen and the student starts from the teacher."""

    name = "reflow"

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank, seed: int):
        super().__init__()
        self.decoder = pipeline.decoder.requires_grad_(True)
        flow = dataclasses.replace(pipeline.config.flow, schedule="uniform", tau_one=preset.reflow.tau_one)
        self.__dict__.update(pipeline=pipeline, bank=bank, seed=seed, flow=flow, preset=preset)
        video = pipeline.config.video_frames > 1
        self.optimiser = _optimiser(preset.stage1b.optimiser if video else preset.stage1, preset)
        self.names: list[str] = []
        self.pairs = self._teacher_pairs()

    @torch.no_grad()
    def _teacher_pairs(self) -> dict[str, Tensor]:
        """Conditions, noise and the teacher's samples, fp16 on the CPU; `reflow.pairs` counts frames."""
        pipeline, frames = self.pipeline, self.pipeline.config.video_frames
        count = max(1, self.preset.reflow.pairs // frames)
        rows: dict[str, list[Tensor]] = {}
        with progress(count, unit="pairs", label="reflow teacher") as bar:
            for index in range(0, count, CHUNK):
                generator = step_generator(self.seed, index, stream=11)
                size = min(CHUNK, count - index)
                part = self._conditions(size, generator)
                part["noise"] = torch.randn(part.pop("shape_of").shape, generator=generator).to(pipeline.device)
                part["sample"] = self.flow.sample(
                    lambda z, tau: self.decoder(part["reference"], z, part["m_ref"], part["m_tgt"], tau),  # noqa: B023
                    part["noise"],
                    self.preset.reflow.teacher_steps,
                )
                for name, tensor in part.items():
                    rows.setdefault(name, []).append(tensor.half().cpu())
                bar.advance(size)
        return {name: torch.cat(tensors) for name, tensors in rows.items()}

    def _conditions(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        frames = self.pipeline.config.video_frames
        clips, reference, start = self.bank.windows(size, frames, generator)
        self.names += [self.bank.names[i] for i in clips]
        index = torch.cat([reference[:, None], start[:, None] + torch.arange(frames)], dim=1)
        latents = self.bank.gather(clips, index).to(self.pipeline.device)
        if self.bank.latents is None:
            latents = self.pipeline.codec.encode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        motion = self.pipeline.motion_encoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        video = frames > 1
        return {
            "reference": latents[:, 0],
            "m_ref": motion[:, 0],
            "m_tgt": motion[:, 1:] if video else motion[:, 1],
            "shape_of": latents[:, 1:] if video else latents[:, 1],
        }

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[PairedBatch, list[str]]:
        """Stored pairs at new noise levels."""
        generator = step_generator(self.seed, step, rank)
        rows = torch.randint(len(self.pairs["noise"]), (self.optimiser.batch,), generator=generator)
        tau = self.flow.sample_tau(len(rows), generator)
        batch = PairedBatch(**{name: tensor[rows].float() for name, tensor in self.pairs.items()}, tau=tau)
        return batch, [self.names[int(i)] for i in rows]

    def forward(self, batch: PairedBatch) -> Tensor:
        """Eq. 8 with the teacher's sample in place of the data and its own noise."""
        noised = interpolate(batch.sample, batch.noise, batch.tau)
        prediction = self.decoder(batch.reference, noised, batch.m_ref, batch.m_tgt, batch.tau)
        return self.flow.loss(prediction, batch.sample, batch.noise).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """PSNR (dB) of one-step samples against the teacher's many-step samples."""
        part = {name: tensor[:32].float().to(self.pipeline.device) for name, tensor in self.pairs.items()}
        out = self.flow.sample(
            lambda z, tau: self.decoder(part["reference"], z, part["m_ref"], part["m_tgt"], tau), part["noise"], 1
        )
        return {"psnr_teacher": float(10 * torch.log10(4 / (out - part["sample"]).square().mean()))}


class ReflowGenerator(nn.Module):
    """Straightens the motion generator's flow on the teacher's motion windows."""

    name = "reflow generator"

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank, seed: int):
        super().__init__()
        self.motion_generator = pipeline.motion_generator.requires_grad_(True)
        flow = dataclasses.replace(pipeline.config.motion_flow, schedule="uniform", tau_one=preset.reflow.tau_one)
        data = MotionBank(preset.stage2, pipeline, bank, seed)
        self.__dict__.update(flow=flow, data=data, seed=seed)
        self.optimiser = _optimiser(preset.stage2.optimiser, preset)
        self.chunks = self._teacher_chunks(preset.reflow.generator_pairs, preset.reflow.teacher_steps)

    @torch.no_grad()
    def _teacher_chunks(self, pairs: int, steps: int) -> list[tuple[MotionBatch, list[str]]]:
        """Batches whose targets are the teacher's samples of their own noise."""
        chunks = []
        device = next(self.motion_generator.parameters()).device
        for index in range(max(1, pairs // self.optimiser.batch)):
            batch, names = self.data.batch(self.optimiser.batch, self.flow, step_generator(self.seed, index, stream=13))
            b = MotionBatch(**{k: v.to(device) for k, v in vars(batch).items()})
            batch.target = self.flow.sample(
                lambda z, tau: self.motion_generator(
                    b.previous, z, b.reference, b.audio, tau, b.has_previous, b.has_audio  # noqa: B023
                ),
                b.noise,
                steps,
            ).cpu()
            chunks.append((batch, names))
        return chunks

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[MotionBatch, list[str]]:
        """A stored batch at new noise levels."""
        generator = step_generator(self.seed, step, rank)
        batch, names = self.chunks[int(torch.randint(len(self.chunks), (1,), generator=generator))]
        return dataclasses.replace(batch, tau=self.flow.sample_tau(len(names), generator)), names

    def forward(self, batch: MotionBatch) -> Tensor:
        """Eq. 9 with the teacher's sample in place of the data and its own noise."""
        return generator_loss(self.motion_generator, self.flow, batch).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Nothing beyond the loss."""
        return {}
