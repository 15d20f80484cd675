"""What EchoMimic hears in a frame: Whisper's states around it, or at toy size log-mel vectors that know their place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.blocks.diffusion.speech import Track

BEFORE, AFTER = 4, 6  # vectors of 50 Hz around a frame
PLACE_DIM = 16  # numbers that tell a toy where a vector lies: Whisper's states know it


def audio_tokens(track: Track, frames: Sequence[int], fps: float) -> Tensor:
    """(F, 10 * layers, width), vectors in order of time, the layers of each side by side."""
    centres = [int(frame * track.rate / fps) for frame in frames]
    return track.around(centres, BEFORE, AFTER).flatten(1, 2)


def placed(tokens: Tensor) -> Tensor:
    """(F, 10, width) -> (F, 10, width + PLACE_DIM): sines and cosines of the place among the ten."""
    places = torch.arange(BEFORE + AFTER)[:, None] * (torch.pi / (BEFORE + AFTER)) * torch.arange(1, PLACE_DIM // 2 + 1)
    code = torch.cat([places.sin(), places.cos()], 1).to(tokens)  # (10, PLACE_DIM)
    return torch.cat([tokens, code.expand(len(tokens), -1, -1)], 2)
