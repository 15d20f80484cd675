"""ExpNet: sound, the source's expression and a wish of blinking give the expression of a frame (section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.sadtalker.audio_encoder import audio_encoder, encode
from baselines.sadtalker.mel import MelPatches

CHUNK = 10  # frames at once; they do not see each other


class ExpNet(nn.Module):
    """Mel patches (B, T, 1, 80, 16), source expression (B, 1 or T, E), blinks (B, T, 1) in [0, 1] -> (B, T, E)."""

    def __init__(self, width: int, expressions: int):
        super().__init__()
        self.audio_encoder = audio_encoder(width)
        self.mapping1 = nn.Linear(16 * width + expressions + 1, expressions)

    def forward(self, mel: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
        audio = encode(self.audio_encoder, mel)  # (B, T, 16 width)
        return self.mapping1(torch.cat([audio, reference.expand(-1, mel.shape[1], -1), blink], dim=-1))

    def in_chunks(self, mel: Tensor | MelPatches, reference: Tensor, blink: Tensor, chunk: int = CHUNK) -> Tensor:
        """The same, `chunk` frames at a time: memory does not grow with the length."""
        spans = [slice(start, start + chunk) for start in range(0, mel.shape[1], chunk)]
        return torch.cat([self(mel[:, span], reference, blink[:, span]) for span in spans], dim=1)
