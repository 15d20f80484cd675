"""The clip network trained on portraits-mini: 16 frames' features of the frame network -> look and motion."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.features.base import SHIPPED
from semo.features.nets.corpus import CURVES, DIM, DISTORTIONS, load_into

LENGTH, STRIDE = 16, 8
KINDS = ("real", "frozen", "shuffled", "slow", "fast", "jerky", "flicker")  # what was done to a window's time
RATES = 7  # pose, gaze, lid closure, mouth opening: curves whose mean speed is read


class ClipNet(nn.Module):
    """Features (B, 16, 128) of consecutive frames -> 128 features, which linear heads turn into what they were."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(DIM))
        self.register_buffer("scale", torch.ones(DIM))
        self.layers = nn.Sequential(
            nn.Conv1d(2 * DIM, 96, 3, padding=1), nn.ReLU(),
            nn.Conv1d(96, 96, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(96, 96, 3, stride=2, padding=1), nn.ReLU(),
        )
        self.embed = nn.Linear(96 * LENGTH // 4, DIM)
        self.kind = nn.Linear(DIM, len(KINDS))
        self.speed = nn.Linear(DIM, RATES)
        self.curves = nn.Linear(DIM, CURVES)
        self.distortions = nn.Linear(DIM, len(DISTORTIONS))

    def features(self, frames: Tensor) -> Tensor:
        """(B, 16, 128) -> (B, 128) of mean 0 and variance 1, so that no kind of damage can outweigh all others."""
        x = (frames - self.mean) / self.scale
        step = torch.diff(x, dim=1, prepend=x[:, :1])
        x = torch.cat([x, 2 * step], dim=2).transpose(1, 2)  # (B, 256, 16)
        return F.layer_norm(self.embed(self.layers(x).flatten(1)).float(), (DIM,))


def windows_of(frames: Tensor) -> Tensor:
    """(T, D) -> (n, 16, D): the windows of 16 frames that begin every 8 frames; n = 0 where T < 16."""
    if len(frames) < LENGTH:
        return frames.new_zeros(0, LENGTH, frames.shape[1])
    return frames.unfold(0, LENGTH, STRIDE).transpose(1, 2)


def load_clip_net(path: Path | None = None, device: str | torch.device = "cpu") -> ClipNet:
    """The shipped clip network, or the one at `path`."""
    return load_into(ClipNet(), path or SHIPPED / "corpus-clip.safetensors", device)
