"""The reference-U-Net family: a portrait seen once by one U-Net, read by another that denoises windows of frames.

One reference pass per portrait, as many denoising passes as there are steps and windows:

    banks = reference_unet(portrait_latent, tokens)          # (R, C, h, w), (R, T, D) -> Banks
    scheduler = ddim(steps=25)
    for t in scheduler.timesteps:
        v = denoising_unet(latent, t, banks, tokens=tokens, condition=features)       # (B, C, F, h, w) -> the same
        latent = scheduler.step(v, t, latent).prev_sample

With classifier-free guidance the batch is doubled, unconditional rows first; these attend to themselves only:

    rows = torch.tensor([True, False])
    twice = latent.repeat(2, 1, 1, 1, 1)
    v = denoising_unet(twice, t, banks, tokens=torch.cat([none, tokens]), condition=features, unconditional=rows)
    v = guided(v, scale=3.5)

Banks are plain tensors: windows and steps use them again and again, gradients run through them, and banks of one row
serve every row of a batch. Rows never influence each other. Where a reference pass sees a portrait and motion frames,
(R, S, C, h, w), the motion frames come before the window in the motion modules (Hallo2); `Audio` brings its sound.
"""

from __future__ import annotations

from baselines.blocks.reference_unet.banks import Banks
from baselines.blocks.reference_unet.config import MotionConfig, UNetConfig, published
from baselines.blocks.reference_unet.passes import Audio
from baselines.blocks.reference_unet.sampling import ddim
from baselines.blocks.reference_unet.unet import DenoisingUNet, ReferenceUNet, guided

__all__ = [
    "Audio", "Banks", "DenoisingUNet", "MotionConfig", "ReferenceUNet", "UNetConfig", "ddim", "guided", "published",
]  # fmt: skip
