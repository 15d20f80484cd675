"""How the reference-U-Net rivals make a clip: latents, noise, sound, windows of frames, the sampler.

A method says what its U-Net is told of a window, as a `Denoiser`; everything around it is the same for all:

    sampling = Sampling(steps=25, guidance=3.5, context=16, overlap=4).changed(context.options)
    noise = frame_noise(context.seed, (channels, side, side))
    latents = sample_overlapping(denoiser, noise, frames, sampling)      # an iterator: one latent (C, h, w) per frame
    pictures = decoded(latents, codec)                                   # lazily, (3, S, S) in [0, 1]

Nothing here holds a whole clip: memory does not depend on its length.
"""

from __future__ import annotations

from baselines.blocks.diffusion.noise import frame_noise
from baselines.blocks.diffusion.sampling import Denoiser, Sampling, denoised, sample_overlapping
from baselines.blocks.diffusion.windows import windows

__all__ = ["Denoiser", "Sampling", "denoised", "frame_noise", "sample_overlapping", "windows"]
