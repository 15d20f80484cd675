"""What Hallo2 is told of a clip: sound around each frame, the face as an embedding, masks, the frames before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.blocks.diffusion.speech import Track

DROPPED = 0.25  # share of the pixels beside the face that are taken from motion frames
GREY = 0.5


def audio_windows(track: Track, frames: Sequence[int], fps: float, window: int) -> Tensor:
    """(F, window, layers, width): the vectors of the frames around each frame, those of one frame as its layers."""
    per_frame = round(track.rate / fps)
    reach = window // 2
    centres = [frame * per_frame for frame in frames]
    vectors = track.around(centres, reach * per_frame, (reach + 1) * per_frame)  # those of one frame side by side
    return vectors.unflatten(1, (window, per_frame)).flatten(2, 3)


def patch_dropped(pictures: Tensor, face: Tensor, noise: Tensor) -> Tensor:
    """Motion frames that keep too little of the background to go on drawing its errors (section 3.2 of the paper).

    pictures: (..., 3, S, S) in [0, 1]; face: its mask (1, S, S) or one for each, kept whole; noise: standard normal
    (..., 1, S, S), the lowest quarter of which is dropped
    """
    quantile = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(DROPPED))
    dropped = (noise < quantile) & (face < 0.5)
    return torch.where(dropped, torch.full_like(pictures, GREY), pictures)
