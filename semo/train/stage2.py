"""Stage 2: the motion generator on cached motions and audio features (paper sections 3.2 and 3.3, Eq. 9)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semo.audio import make_audio_encoder
from semo.flow import Flow, interpolate
from semo.media import to_float
from semo.model import MotionGenerator
from semo.model.motion_encoder import random_keep
from semo.pipeline import SeMoPipeline
from semo.train.data import FrameBank, step_generator
from semo.train.settings import GeneratorSettings, Preset


@dataclass
class MotionBatch:
    """previous (B, P, l, d), target and noise (B, W, l, d), reference (B, l, d), audio (B, 2 (P + W), d_a).

    tau (B,); has_previous and has_audio (B,) bool.
    """

    previous: Tensor
    target: Tensor
    noise: Tensor
    reference: Tensor
    audio: Tensor
    tau: Tensor
    has_previous: Tensor
    has_audio: Tensor


class MotionBank:
    """Standardised motions and audio features of every clip that has sound.

    Per clip: `clean` (T, l, d), `masked` (K, T, l, d) encoded with mask ratios stratified in (0, mask_max], `audio`
    (2 (P + T), d_a), silence first. Encoding is done once, since the encoder is frozen.
    """

    def __init__(self, settings: GeneratorSettings, pipeline: SeMoPipeline, bank: FrameBank, seed: int):
        encoder = make_audio_encoder(settings.audio, settings.audio_path)
        self.settings, self.audio_dim = settings, encoder.dim
        window, past = settings.window, settings.previous
        usable = [i for i, name in enumerate(bank.names) if name in bank.audio and len(bank.clips[i]) >= window]
        if not usable:
            raise ValueError(f"stage 2 needs clips with sound of at least {window} frames; the training split has none")
        self.names = [bank.names[i] for i in usable]
        clean = [encode_motions(pipeline, bank.clips[i], 0.0, seed) for i in usable]
        stacked = torch.cat(clean)
        self.mean, self.std = stacked.mean(0), stacked.std(0).clamp(min=1e-4)
        self.clean = [self.standardise(m) for m in clean]
        ratios = [settings.mask_max * (k + 1) / settings.variants for k in range(settings.variants)]
        if settings.mask_max == 0:
            ratios = [0.0]
        self.masked = []
        for i in usable:
            variants = [encode_motions(pipeline, bank.clips[i], ratio, seed + k) for k, ratio in enumerate(ratios)]
            self.masked.append(self.standardise(torch.stack(variants)))
        silence = torch.from_numpy(encoder.encode(bank.audio[self.names[0]][:0], 1))[:1]
        self.audio = []
        for i, name in zip(usable, self.names, strict=True):
            sound = torch.from_numpy(encoder.encode(bank.audio[name], len(bank.clips[i])))
            self.audio.append(torch.cat([silence.expand(2 * past, -1), sound]))

    def standardise(self, motion: Tensor) -> Tensor:
        """Zero mean and unit deviation per dimension over the training frames."""
        return (motion - self.mean) / self.std

    def batch(self, size: int, flow: Flow, generator: torch.Generator) -> tuple[MotionBatch, list[str]]:
        """Random windows: clip, start, reference frame and masked variant uniform; missing history is flagged."""
        past, window = self.settings.previous, self.settings.window
        clips = torch.randint(len(self.clean), (size,), generator=generator).tolist()
        draws = torch.rand(size, 5, generator=generator)
        rows: dict[str, list[Tensor]] = {"previous": [], "target": [], "reference": [], "audio": []}
        has_previous = []
        for clip, draw in zip(clips, draws, strict=True):
            clean, masked = self.clean[clip], self.masked[clip]
            start = int(draw[0] * (len(clean) - window + 1))
            known = start >= past and float(draw[1]) >= self.settings.drop_previous
            variant = masked[int(draw[2] * len(masked))]
            rows["previous"].append(variant[start - past : start] if known else torch.zeros(past, *clean.shape[1:]))
            rows["target"].append(clean[start : start + window])
            rows["reference"].append(clean[int(draw[3] * len(clean))])
            rows["audio"].append(self.audio[clip][2 * start : 2 * (start + past + window)])
            has_previous.append(known)
        stacked = {name: torch.stack(tensors) for name, tensors in rows.items()}
        batch = MotionBatch(
            **stacked,
            noise=torch.randn(stacked["target"].shape, generator=generator),
            tau=flow.sample_tau(size, generator),
            has_previous=torch.tensor(has_previous),
            has_audio=draws[:, 4] >= self.settings.drop_audio,
        )
        return batch, [self.names[i] for i in clips]


@torch.inference_mode()
def encode_motions(pipeline: SeMoPipeline, frames: Tensor, ratio: float, seed: int) -> Tensor:
    """Motions (T, l, d) of uint8 frames (T, H, W, 3), masked with the given ratio."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for chunk in frames.split(128):
        latents = pipeline.codec.encode(to_float(chunk.numpy()).to(pipeline.device))
        keep = random_keep(len(chunk), pipeline.motion_encoder.patches, ratio, generator)
        parts.append(pipeline.motion_encoder(latents, keep).float().cpu())
    return torch.cat(parts).clone()


class Stage2(nn.Module):
    """The motion generator; encoder and decoder are frozen."""

    name = "stage2"

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank, seed: int):
        super().__init__()
        settings = preset.stage2
        data = MotionBank(settings, pipeline, bank, seed)
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

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[MotionBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        return self.data.batch(self.optimiser.batch, self.flow, step_generator(self.seed, step, rank))

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
