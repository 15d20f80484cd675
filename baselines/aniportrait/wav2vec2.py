"""wav2vec2-base as AniPortrait hears: features brought to the frame rate before the transformer sees them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Wav2Vec2Config, Wav2Vec2Model

from baselines.aniportrait.hearing import FPS, _fitted
from semo.media import RATE

LEAST = 400  # samples that the convolutions need for one feature


class Wav2Vec2Hearing(Wav2Vec2Model):
    """wav2vec2-base (768 wide, 12 layers); a sound is (B, samples), of zero mean and unit variance over its clip."""

    def __init__(self, config: Wav2Vec2Config | None = None):
        super().__init__(config or Wav2Vec2Config())
        self.width = self.config.hidden_size

    def prepared(self, waveform: np.ndarray, frames: int) -> Tensor:
        sound = torch.from_numpy(_fitted(waveform, _samples(frames)))
        return (sound - sound.mean()) / (sound.var(unbiased=False) + 1e-7).sqrt()

    def cut(self, sound: Tensor, frames: range) -> Tensor:
        piece = sound[_samples(frames.start) : _samples(frames.stop)]
        return F.pad(piece, (0, max(0, LEAST - len(piece))))[None]

    def forward(self, sound: Tensor, frames: int) -> Tensor:
        """(B, samples) -> the last hidden state of `frames` frames, (B, frames, width)."""
        features = self.feature_extractor(sound)  # (B, 512, n)
        features = F.interpolate(features, size=frames, mode="linear", align_corners=True)
        hidden, _ = self.feature_projection(features.mT)
        return self.encoder(hidden, return_dict=True).last_hidden_state


def _samples(frames: int) -> int:
    return round(frames * RATE / FPS)
