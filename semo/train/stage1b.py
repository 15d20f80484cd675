"""Stage 1b: image to video. The decoder learns to align frames; the motion encoder stays frozen (paper section 3.1)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semo.flow import interpolate
from semo.pipeline import SeMoPipeline
from semo.train.data import WHOLE, FrameBank, Part, Place, augment, step_generator
from semo.train.settings import Preset
from semo.train.stage1 import build_decoder, decoder_flow
from semo.train.stream import StreamBank

LAST = (1 << 31) - 1  # a step that no training reaches: its random stream is the report's


@dataclass
class VideoBatch:
    """Latents of the reference (B, c, h, w) and of F consecutive targets (B, F, c, h, w), noise, tau (B,)."""

    reference: Tensor
    targets: Tensor
    noise: Tensor
    tau: Tensor


class Stage1b(nn.Module):
    """The decoder with Temporal Align Blocks, started from the image decoder; one tau per clip, noise per frame."""

    name = "stage1b"

    def __init__(self, preset: Preset, pipeline: SeMoPipeline, bank: FrameBank | StreamBank, seed: int):
        super().__init__()
        codec = pipeline.codec
        self.decoder = build_decoder(preset, codec, preset.stage1b.temporal)
        missing, unexpected = self.decoder.load_state_dict(pipeline.decoder.state_dict(), strict=False)
        if unexpected or any(not name.startswith("align.") for name in missing):
            raise ValueError("the decoder given by --init does not fit the preset; train stage 1 with the same preset")
        encoder = pipeline.motion_encoder.requires_grad_(False).eval()
        self.__dict__.update(preset=preset, codec=codec, encoder=encoder, bank=bank, seed=seed)
        self.flow = decoder_flow(preset)
        self.optimiser = preset.stage1b.optimiser

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[VideoBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        size = part.size(self.optimiser.batch)
        return self._drawn(size, progress, part.generator(self.seed, step), (step, part))

    def _drawn(
        self, size: int, progress: float, generator: torch.Generator, place: Place | None
    ) -> tuple[VideoBatch, list[str]]:
        names, latents = self.bank.draw_windows(size, self.preset.stage1b.frames, generator, place)
        if not self.bank.encoded:
            still = dataclasses.replace(self.preset.augment, motion=0.0, motion_end=0.0)
            latents = augment(latents, still, progress, generator)
            latents = self.codec.encode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        batch = VideoBatch(
            reference=latents[:, 0],
            targets=latents[:, 1:],
            noise=torch.randn(latents[:, 1:].shape, generator=generator),
            tau=self.flow.sample_tau(size, generator),
        )
        return batch, names

    def forward(self, batch: VideoBatch) -> Tensor:
        """Mean loss of Eq. 8 over the frames of the clips."""
        self.encoder.to(batch.reference.device)
        with torch.no_grad():
            m_ref = self.encoder(batch.reference)
            m_tgt = self.encoder(batch.targets.flatten(0, 1)).unflatten(0, batch.targets.shape[:2])
        noised = interpolate(batch.targets, batch.noise, batch.tau)
        prediction = self.decoder(batch.reference, noised, m_ref, m_tgt, batch.tau)
        return self.flow.loss(prediction, batch.targets, batch.noise).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """One-step PSNR (dB) of a fixed batch, and the error of frame-to-frame changes relative to the true ones."""
        generator = step_generator(self.seed, LAST)
        batch, _ = self._drawn(self.optimiser.batch, 1.0, generator, None)
        device = next(self.parameters()).device
        ref, targets, noise = batch.reference.to(device), batch.targets.to(device), batch.noise.to(device)
        self.encoder.to(device)
        m_ref = self.encoder(ref)
        m_tgt = self.encoder(targets.flatten(0, 1)).unflatten(0, targets.shape[:2])
        out = self.flow.sample(lambda z, tau: self.decoder(ref, z, m_ref, m_tgt, tau), noise, 1)
        error = (out - targets).square().mean()
        change = ((out.diff(dim=1) - targets.diff(dim=1)).square().mean() / targets.diff(dim=1).square().mean()).sqrt()
        return {"psnr": float(10 * torch.log10(4 / error)), "flicker": float(change)}
