"""Head motion for sound of any length: PoseVAE chunk by chunk, added to the pose of the source."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.sadtalker.audio_encoder import audio_encoder, encode
from baselines.sadtalker.mel import MelPatches
from baselines.sadtalker.pose_discriminator import PoseDiscriminator
from baselines.sadtalker.pose_vae import POSE, PoseVAE


class Audio2Pose(nn.Module):
    def __init__(self, width: int, seq_len: int, latent: int, classes: int, audio_out: int, hidden: int,
                 unet_widths: Sequence[int], discriminator: int):  # fmt: skip
        super().__init__()
        self.seq_len, self.latent, self.classes = seq_len, latent, classes
        self.audio_encoder = nn.Module()
        self.audio_encoder.audio_encoder = audio_encoder(width)
        self.netG = PoseVAE(seq_len, latent, classes, 16 * width, audio_out, hidden, unet_widths)
        self.netD_motion = PoseDiscriminator(discriminator)

    def embed(self, mel: Tensor) -> Tensor:
        """Mel patches (B, T, 1, 80, 16) -> (B, T, 16 width)."""
        return encode(self.audio_encoder.audio_encoder, mel)

    def chunks(self, frames: int) -> int:
        """How many latents a clip of `frames` frames takes; its first frame is the source's."""
        return -(-(frames - 1) // self.seq_len)

    def forward(self, pose: Tensor, mel: Tensor | MelPatches, z: Tensor, style: int = 0) -> Tensor:
        """Change of the pose (B, F, 6) of every frame.

        `pose` (B, 6): of the source. `mel` (B, F, 1, 80, 16). `z`: at least `chunks(F)` latents (N, B, latent). A last,
        partial chunk is made from the last `seq_len` frames; before a clip shorter than that its first sound is
        repeated. Raises ValueError for a `style` beyond the classes or too few latents.
        """
        frames, size = mel.shape[1], self.seq_len
        if not 0 <= style < self.classes:
            raise ValueError(f"pose style {style} is unknown; there are 0 to {self.classes - 1}")
        if len(z) < self.chunks(frames):
            raise ValueError(f"{frames} frames take {self.chunks(frames)} latents, not {len(z)}")
        classes = torch.full((len(pose),), style, dtype=torch.long, device=pose.device)
        made = [pose.new_zeros(len(pose), 1, POSE)]
        for chunk, latent in enumerate(z[: self.chunks(frames)]):
            stop = min(1 + (chunk + 1) * size, frames)
            audio = self.embed(mel[:, max(1, stop - size) : stop])
            missing = size - audio.shape[1]
            audio = torch.cat([audio[:, :1].expand(-1, missing, -1), audio], dim=1)
            count = stop - 1 - chunk * size
            made.append(self.netG.decoder(latent, classes, pose, audio)[:, -count:])
        return torch.cat(made, dim=1)
