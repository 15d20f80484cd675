"""Motions and audio features for stage 2: of every clip, encoded once; or, out of shards, encoded as they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semo.audio import make_audio_encoder
from semo.flow import Flow
from semo.media import to_float
from semo.model.motion_encoder import random_keep
from semo.pipeline import SeMoPipeline
from semo.train.data import WHOLE, FrameBank, Place
from semo.train.settings import GeneratorSettings
from semo.train.stream import StreamBank


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

    def batch(
        self, size: int, flow: Flow, generator: torch.Generator, place: Place | None = None
    ) -> tuple[MotionBatch, list[str]]:
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


def _encoded(pipeline: SeMoPipeline, latents: Tensor, ratio: float, generator: torch.Generator | None) -> Tensor:
    """Motions (N, l, d) of latents, each with its own mask, on the CPU."""
    keep = random_keep(len(latents), pipeline.motion_encoder.patches, ratio, generator)
    return pipeline.motion_encoder(latents, keep if keep is None else keep.to(latents.device)).float().cpu()


@torch.inference_mode()
def encode_motions(pipeline: SeMoPipeline, frames: Tensor, ratio: float, seed: int) -> Tensor:
    """Motions (T, l, d) of uint8 frames (T, H, W, 3), masked with the given ratio."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for chunk in frames.split(128):
        latents = pipeline.codec.encode(to_float(chunk.numpy()).to(pipeline.device))
        parts.append(_encoded(pipeline, latents, ratio, generator))
    return torch.cat(parts).clone()


class MotionStream:
    """`MotionBank` for shards, whose motions would not fit into memory: the frozen encoder runs on every batch.

    One of the mask ratios holds for the previous frames of a whole batch, as one ratio does in stage 1. The motions'
    mean and deviation are those of the clips kept in memory.
    """

    def __init__(self, settings: GeneratorSettings, pipeline: SeMoPipeline, bank: StreamBank, seed: int):
        encoder = make_audio_encoder(settings.audio, settings.audio_path)
        stored = (bank.settings.audio, bank.settings.audio_path)
        if stored != (settings.audio, settings.audio_path):
            raise ValueError(f"the shards hold audio features of {stored[0]} and the preset works with "
                             f"{settings.audio}; prepare them again with this preset")
        bank.prepare(pipeline.codec, str(pipeline.device))
        self.settings, self.pipeline, self.bank, self.audio_dim = settings, pipeline, bank, encoder.dim
        self._silence = torch.from_numpy(encoder.encode(np.zeros(0, np.float32), 1))[:1]
        self.mean, self.std = torch.zeros(1), torch.ones(1)
        kept = [self._encode(bank.kept.gather([i], torch.arange(len(clip))[None])[0], 0.0, None)
                for i, clip in enumerate(bank.kept.clips)]
        stacked = torch.cat(kept)
        self.mean, self.std = stacked.mean(0), stacked.std(0).clamp(min=1e-4)
        self._report = bank.samples(64, (0, WHOLE), settings.window, sounding=True)

    @torch.no_grad()
    def _encode(self, frames: Tensor, ratio: float, generator: torch.Generator | None) -> Tensor:
        """Frames or latents (N, ...) -> standardised motions (N, l, d)."""
        parts = []
        for chunk in frames.split(512):
            latents = chunk.to(self.pipeline.device)
            latents = latents if self.bank.encoded else self.pipeline.codec.encode(latents)
            parts.append(_encoded(self.pipeline, latents, ratio, generator))
        return (torch.cat(parts) - self.mean) / self.std

    def batch(
        self, size: int, flow: Flow, generator: torch.Generator, place: Place | None = None
    ) -> tuple[MotionBatch, list[str]]:
        """As `MotionBank.batch`; without a place always windows of the same clips."""
        past, window = self.settings.previous, self.settings.window
        drawn = self.bank.samples(size, place, window, sounding=True) if place else self._report[:size]
        starts = [int(uniform[1] * (len(clip.frames) - window + 1)) for clip, uniform in drawn]
        frames, audio = [], []
        for (clip, uniform), start in zip(drawn, starts, strict=True):
            reference = int(uniform[0] * len(clip.frames))
            numbers = np.clip(np.arange(start - past, start + window), 0, None)
            frames.append(clip.frames[[reference, *numbers]])
            audio.append(self._sound(clip.audio, start))
        latents = self.bank.to_float(frames)
        draws = torch.rand(size, 2, generator=generator)
        ratio = self.settings.mask_max * int(torch.randint(1, self.settings.variants + 1, (), generator=generator))
        clean = self._unflattened(torch.cat([latents[:, :1], latents[:, 1 + past :]], dim=1), 0.0, generator)
        known = (torch.tensor(starts) >= past) & (draws[:, 0] >= self.settings.drop_previous)
        previous = self._unflattened(latents[:, 1 : 1 + past], ratio / self.settings.variants, generator)
        batch = MotionBatch(
            previous=previous * known[:, None, None, None],
            target=clean[:, 1:],
            noise=torch.randn(clean[:, 1:].shape, generator=generator),
            reference=clean[:, 0],
            audio=torch.stack(audio),
            tau=flow.sample_tau(size, generator),
            has_previous=known,
            has_audio=draws[:, 1] >= self.settings.drop_audio,
        )
        return batch, [clip.clip for clip, _ in drawn]

    def _unflattened(self, frames: Tensor, ratio: float, generator: torch.Generator) -> Tensor:
        return self._encode(frames.flatten(0, 1), ratio, generator).unflatten(0, frames.shape[:2])

    def _sound(self, features: np.ndarray, start: int) -> Tensor:
        """Features (2 (P + W), d) of a window and the frames before it, silence before the clip."""
        past, window = self.settings.previous, self.settings.window
        known = torch.from_numpy(features[2 * max(0, start - past) : 2 * (start + window)].astype(np.float32))
        return torch.cat([self._silence.expand(2 * (past + window) - len(known), -1), known])


def make_motions(
    settings: GeneratorSettings, pipeline: SeMoPipeline, bank: FrameBank | StreamBank, seed: int
) -> MotionBank | MotionStream:
    """The motions of the training data, whichever way they are kept."""
    kind = MotionStream if isinstance(bank, StreamBank) else MotionBank
    return kind(settings, pipeline, bank, seed)
