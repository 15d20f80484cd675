"""Sound to the mesh of a face: how far every vertex is from where the portrait has it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from baselines.aniportrait.hearing import FPS, Hearing

PIECE = 10 * FPS  # frames looked at together; a clip up to this length is seen as a whole, as upstream does any clip
MARGIN = FPS  # frames before and after a piece that are heard with it
KEPT = 3  # pieces in memory: the sampler's front and rear may lie in different ones


class Audio2Mesh(nn.Module):
    """Two linear layers on what `audio_encoder` hears; they begin as no motion at all.

    latent: width between the layers; points: vertices of the mesh
    """

    def __init__(self, hearing: Hearing, latent: int, points: int):
        super().__init__()
        self.audio_encoder = hearing
        self.in_fn = nn.Linear(hearing.width, latent)
        self.out_fn = nn.Linear(latent, 3 * points)
        nn.init.zeros_(self.out_fn.weight)
        nn.init.zeros_(self.out_fn.bias)

    def forward(self, sound: Tensor, frames: int) -> Tensor:
        """Sound of `frames` frames as the encoder takes it -> offsets (B, frames, points, 3) in centimetres."""
        return self.out_fn(self.in_fn(self.audio_encoder(sound, frames))).unflatten(-1, (-1, 3))


class Offsets:
    """The offsets of one clip of `frames` frames at 30 per second, computed in pieces as they are asked for.

    anchored: they are differences to the network's offsets of the first frame, which are zero then
    """

    def __init__(self, network: Audio2Mesh, waveform: np.ndarray, frames: int, anchored: bool = False):
        hearing = network.audio_encoder
        device = network.in_fn.weight.device
        sound = hearing.prepared(waveform, frames)

        @lru_cache(KEPT)
        @torch.inference_mode()
        def piece(index: int) -> np.ndarray:
            start, stop = index * PIECE, min((index + 1) * PIECE, frames)
            heard = range(max(0, start - MARGIN), min(frames, stop + MARGIN))
            made = network(hearing.cut(sound, heard).to(device), len(heard))[0]
            return made[start - heard.start : stop - heard.start].cpu().numpy()

        self._piece = piece
        self._anchor = piece(0)[0] if anchored else 0

    def at(self, frames: range) -> np.ndarray:
        """(len(frames), points, 3)."""
        return np.stack([self._piece(frame // PIECE)[frame % PIECE] for frame in frames]) - self._anchor
