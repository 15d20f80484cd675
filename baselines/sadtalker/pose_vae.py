"""PoseVAE: a conditional variational autoencoder of head motion over one sequence (section 3.3).

Conditions: the pose of the source, the sound, and a class, one of the people the training data showed ("style").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.sadtalker.residual_unet import ResidualUNet

POSE = 6  # three angles, three translations


class Encoder(nn.Module):
    """Motion (B, T, 6), class (B,), source pose (B, 6), audio (B, T, A) -> mean and log variance (B, latent)."""

    def __init__(self, seq_len: int, latent: int, classes: int, audio: int, audio_out: int, hidden: int,
                 widths: Sequence[int]):  # fmt: skip
        super().__init__()
        self.resunet = ResidualUNet(widths)
        self.classbias = nn.Parameter(torch.randn(classes, latent))
        self.linear_audio = nn.Linear(audio, audio_out)
        self.MLP = nn.Sequential()
        self.MLP.add_module("L0", nn.Linear(POSE + seq_len * (POSE + audio_out) + latent, hidden))
        self.MLP.add_module("A0", nn.ReLU())
        self.linear_means = nn.Linear(hidden, latent)
        self.linear_logvar = nn.Linear(hidden, latent)

    def forward(self, motion: Tensor, style: Tensor, pose: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        smooth = self.resunet(motion[:, None]).flatten(1)  # (B, 6 T)
        heard = self.linear_audio(audio).flatten(1)  # (B, audio_out T)
        x = self.MLP(torch.cat([pose, smooth, heard, self.classbias[style]], dim=1))
        return self.linear_means(x), self.linear_logvar(x)


class Decoder(nn.Module):
    """Latent (B, latent), class (B,), source pose (B, 6), audio (B, T, A) -> change of the pose (B, T, 6)."""

    def __init__(self, seq_len: int, latent: int, classes: int, audio: int, audio_out: int, hidden: int,
                 widths: Sequence[int]):  # fmt: skip
        super().__init__()
        self.seq_len, self.latent = seq_len, latent
        self.resunet = ResidualUNet(widths)
        self.pose_linear = nn.Linear(POSE, POSE)
        self.classbias = nn.Parameter(torch.randn(classes, latent))
        self.linear_audio = nn.Linear(audio, audio_out)
        self.MLP = nn.Sequential()
        self.MLP.add_module("L0", nn.Linear(POSE + latent + seq_len * audio_out, hidden))
        self.MLP.add_module("A0", nn.ReLU())
        self.MLP.add_module("L1", nn.Linear(hidden, seq_len * POSE))
        self.MLP.add_module("sigmoid", nn.Sigmoid())

    def forward(self, z: Tensor, style: Tensor, pose: Tensor, audio: Tensor) -> Tensor:
        heard = self.linear_audio(audio).flatten(1)  # (B, audio_out T)
        rough = self.MLP(torch.cat([pose, z + self.classbias[style], heard], dim=1))
        rough = rough.view(len(z), 1, self.seq_len, POSE)
        return self.pose_linear(self.resunet(rough)[:, 0])


class PoseVAE(nn.Module):
    """Only the decoder is needed to generate; the encoder belongs to training."""

    def __init__(self, seq_len: int, latent: int, classes: int, audio: int, audio_out: int, hidden: int,
                 widths: Sequence[int]):  # fmt: skip
        super().__init__()
        sizes = seq_len, latent, classes, audio, audio_out, hidden, widths
        self.encoder = Encoder(*sizes)
        self.decoder = Decoder(*sizes)
