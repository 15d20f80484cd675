"""A small training set in memory: coloured squares that move with their sound."""

import numpy as np

from semo.train.data import FrameBank

SIZE = 32


def moving_squares(people: int = 6, frames: int = 24) -> FrameBank:
    """Two data sets of clips in which a square's place follows the loudness of the sound."""
    clips, audio = {}, {}
    for person in range(people):
        rng = np.random.default_rng(person)
        loud = np.convolve(rng.random(frames + 8), np.ones(9) / 9, "valid")
        loud = (loud - loud.min()) / (loud.max() - loud.min())
        video = np.full((frames, SIZE, SIZE, 3), rng.integers(30, 220, 3), np.uint8)
        colour = rng.integers(0, 255, 3)
        for t in range(frames):
            x = int(loud[t] * (SIZE - 12))
            video[t, 8:20, x : x + 12] = colour
        clips[f"p{person}"] = video
        tone = np.sin(2 * np.pi * 300 * np.arange(frames * 640) / 16000)
        audio[f"p{person}"] = (tone * np.repeat(loud, 640)).astype(np.float32)
    names = list(clips)
    half = people // 2
    return FrameBank([{n: clips[n] for n in names[:half]}, {n: clips[n] for n in names[half:]}], audio)
