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
from semo.train.data import WHOLE, FrameBank, Part, Place, step_generator
from semo.train.motions import MotionBatch, make_motions
from semo.train.settings import OptimiserSettings, Preset
from semo.train.stage2 import generator_loss
from semo.train.stream import StreamBank

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

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank | StreamBank, seed: int):
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
                part = self._conditions(size, generator, (index // CHUNK, WHOLE))
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

    def _conditions(self, size: int, generator: torch.Generator, place: Place) -> dict[str, Tensor]:
        frames = self.pipeline.config.video_frames
        names, latents = self.bank.draw_windows(size, frames, generator, place)
        self.names += names
        latents = latents.to(self.pipeline.device)
        if not self.bank.encoded:
            latents = self.pipeline.codec.encode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        motion = self.pipeline.motion_encoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        video = frames > 1
        return {
            "reference": latents[:, 0],
            "m_ref": motion[:, 0],
            "m_tgt": motion[:, 1:] if video else motion[:, 1],
            "shape_of": latents[:, 1:] if video else latents[:, 1],
        }

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[PairedBatch, list[str]]:
        """Stored pairs at new noise levels."""
        generator = part.generator(self.seed, step)
        size = part.size(self.optimiser.batch)
        rows = torch.randint(len(self.pairs["noise"]), (size,), generator=generator)
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

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank | StreamBank, seed: int):
        super().__init__()
        self.motion_generator = pipeline.motion_generator.requires_grad_(True)
        flow = dataclasses.replace(pipeline.config.motion_flow, schedule="uniform", tau_one=preset.reflow.tau_one)
        data = make_motions(preset.stage2, pipeline, bank, seed)
        self.__dict__.update(flow=flow, data=data, seed=seed)
        self.optimiser = _optimiser(preset.stage2.optimiser, preset)
        self.chunks = self._teacher_chunks(preset.reflow.generator_pairs, preset.reflow.teacher_steps)

    @torch.no_grad()
    def _teacher_chunks(self, pairs: int, steps: int) -> list[tuple[MotionBatch, list[str]]]:
        """Batches whose targets are the teacher's samples of their own noise."""
        chunks = []
        device = next(self.motion_generator.parameters()).device
        for index in range(max(1, pairs // self.optimiser.batch)):
            generator = step_generator(self.seed, index, stream=13)
            batch, names = self.data.batch(self.optimiser.batch, self.flow, generator, (index, WHOLE))
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

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[MotionBatch, list[str]]:
        """A stored batch, or a part of one, at new noise levels."""
        generator = part.generator(self.seed, step)
        batch, names = self.chunks[int(torch.randint(len(self.chunks), (1,), generator=generator))]
        size = part.size(len(names))
        own = slice(part.index * size, (part.index + 1) * size)
        batch = MotionBatch(**{name: tensor[own] for name, tensor in vars(batch).items()})
        return dataclasses.replace(batch, tau=self.flow.sample_tau(size, generator)), names[own]

    def forward(self, batch: MotionBatch) -> Tensor:
        """Eq. 9 with the teacher's sample in place of the data and its own noise."""
        return generator_loss(self.motion_generator, self.flow, batch).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Nothing beyond the loss."""
        return {}
