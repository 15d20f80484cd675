"""Stage 1a: the motion autoencoder, image to image (paper sections 3.1 and 3.3, Eq. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semo.codec import Codec
from semo.flow import Flow, interpolate
from semo.model import Decoder, MotionEncoder
from semo.model.motion_encoder import random_keep
from semo.train.data import WHOLE, FrameBank, Part, augment, step_generator
from semo.train.settings import Preset
from semo.train.stream import StreamBank


def decoder_flow(preset: Preset) -> Flow:
    """The rectified flow of the decoder."""
    return Flow(preset.prediction, preset.tau_schedule, preset.tau_one)


def build_encoder(preset: Preset, codec: Codec) -> MotionEncoder:
    """A fresh motion encoder for the codec's latents."""
    size = preset.encoder
    return MotionEncoder(
        channels=codec.channels,
        size=codec.size,
        patch=preset.patch,
        **vars(size),
        motion_tokens=preset.motion_tokens,
        motion_dim=preset.motion_dim,
        motion_norm=preset.motion_norm,
        activation=preset.activation,
    )


def build_decoder(preset: Preset, codec: Codec, temporal: str = "none") -> Decoder:
    """A fresh decoder for the codec's latents."""
    size = preset.decoder
    return Decoder(
        channels=codec.channels,
        size=codec.size,
        patch=preset.patch,
        **vars(size),
        motion_tokens=preset.motion_tokens,
        motion_dim=preset.motion_dim,
        activation=preset.activation,
        gate_init=preset.gate_init,
        motion_in_adaln=preset.motion_in_adaln,
        reference_input=preset.reference_input,
        reference_skip=preset.reference_skip,
        warp_cells=preset.warp_cells,
        refine_width=preset.refine_width,
        temporal=temporal,
    )


@dataclass
class PairBatch:
    """Latents of reference and target (B, c, h, w), noise, tau (B,), surviving patches (2 B, K) or None."""

    reference: Tensor
    target: Tensor
    noise: Tensor
    tau: Tensor
    keep: Tensor | None


class Stage1(nn.Module):
    """Motion encoder and decoder trained together on pairs of frames of one clip."""

    name = "stage1"

    def __init__(self, preset: Preset, codec: Codec, bank: FrameBank | StreamBank, seed: int):
        super().__init__()
        self.motion_encoder = build_encoder(preset, codec)
        self.decoder = build_decoder(preset, codec)
        self.__dict__.update(preset=preset, codec=codec, bank=bank, seed=seed, flow=decoder_flow(preset))
        self.optimiser = preset.stage1

    def mask_ratio(self, progress: float, generator: torch.Generator) -> float:
        """One ratio per step, U(0, mask_max), the bound rising along `mask_ramp`."""
        first, last = self.preset.mask_ramp
        share = 1.0 if progress >= last else max(0.0, (progress - first) / max(last - first, 1e-9))
        return float(torch.rand((), generator=generator)) * self.preset.mask_max * share

    def latents(self, frames: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Frames or cached latents (B, K, ...) -> latents (B, K, c, h, w), augmented where the codec is light."""
        if self.bank.encoded:
            return frames
        frames = augment(frames, self.preset.augment, progress, generator)
        return self.codec.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[PairBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        generator = part.generator(self.seed, step)
        size = part.size(self.optimiser.batch)
        names, frames = self.bank.draw_pairs(size, generator, (step, part))
        latents = self.latents(frames, progress, generator)
        ratio = self.mask_ratio(progress, generator)
        batch = PairBatch(
            reference=latents[:, 0],
            target=latents[:, 1],
            noise=torch.randn(latents[:, 1].shape, generator=generator),
            tau=self.flow.sample_tau(size, generator),
            keep=random_keep(2 * size, self.motion_encoder.patches, ratio, generator),
        )
        return batch, names

    def forward(self, batch: PairBatch) -> Tensor:
        """Mean loss of Eq. 8."""
        motion = self.motion_encoder(torch.cat([batch.reference, batch.target]), batch.keep)
        m_ref, m_tgt = motion.chunk(2)
        noised = interpolate(batch.target, batch.noise, batch.tau)
        prediction = self.decoder(batch.reference, noised, m_ref, m_tgt, batch.tau)
        return self.flow.loss(prediction, batch.target, batch.noise).mean()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """One-step PSNR on fixed training pairs, of copying the reference, and what shuffled motions cost (dB)."""
        generator = step_generator(self.seed, 0, stream=101)
        _, frames = self.bank.draw_pairs(64, generator)
        ref, tgt = (frames[:, 0], frames[:, 1]) if self.bank.encoded else (
            self.codec.encode(frames[:, 0]), self.codec.encode(frames[:, 1]))  # fmt: skip
        device = next(self.parameters()).device
        ref, tgt = ref.to(device), tgt.to(device)
        noise = torch.randn(tgt.shape, generator=generator).to(device)
        m_ref, m_tgt = self.motion_encoder(ref), self.motion_encoder(tgt)
        moving = ((ref - tgt).abs() > 0.2).any(1, keepdim=True).expand_as(ref)

        def psnr(motion: Tensor) -> float:
            out = self.flow.sample(lambda z, tau: self.decoder(ref, z, m_ref, motion, tau), noise, 1)
            return _psnr(out, tgt, moving)

        own = psnr(m_tgt)
        return {
            "psnr_moving": own,
            "psnr_moving_copy": _psnr(ref, tgt, moving),
            "motion_use_db": own - psnr(m_tgt.roll(1, 0)),
        }

    def start_from(self, encoder: MotionEncoder, decoder: Decoder) -> None:
        """Take over trained networks of the same size.

        Align blocks of a video decoder are left out; a seam refiner that the model lacks starts fresh.
        """
        image = {name: tensor for name, tensor in decoder.state_dict().items() if not name.startswith("align.")}
        try:
            self.motion_encoder.load_state_dict(encoder.state_dict())
            fresh = {k: v for k, v in self.decoder.state_dict().items() if k.startswith("refiner.")}
            self.decoder.load_state_dict(fresh | image)
        except RuntimeError as error:
            raise ValueError("the model given by --init is of another size; use its own preset") from error

    @torch.no_grad()
    def calibrate(self, batches: int = 64, size: int = 64) -> None:
        """Measure the statistics of a batch-normed M on unmasked, unaugmented frames.

        In training every batch is normalised by its own statistics at its own mask ratio, so the running average
        mixes all ratios and fits none.
        """
        norm = self.motion_encoder.scale_norm
        if norm.kind != "batch":
            return
        norm.norm.reset_running_stats()
        norm.norm.momentum = None  # cumulative average
        self.motion_encoder.train()
        for index in range(batches):
            latents = self.bank.draw_pairs(size, step_generator(self.seed, index, stream=17))[1][:, 0]
            if not self.bank.encoded:
                latents = self.codec.encode(latents)
            self.motion_encoder(latents.to(next(self.parameters()).device))
        self.motion_encoder.eval()


def _psnr(a: Tensor, b: Tensor, where: Tensor) -> float:
    """PSNR in dB of latents with a range of 2, over the chosen elements."""
    error = (a - b).float().square()[where]
    return float(10 * torch.log10(4 / error.mean().clamp(min=1e-10))) if error.numel() else 100.0
