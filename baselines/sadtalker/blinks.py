"""When the face blinks: ExpNet takes the wish as a number per frame."""

from __future__ import annotations

import numpy as np

BLINK = (0.5, 0.9, 1.0, 0.9, 0.5)
SHORTEST, LONGEST = 10, 70  # frames between two blinks
LEAST_FRAMES = 20  # a shorter clip has none


def blinks(frames: int, seed: int) -> np.ndarray:
    """How closed the eyes are to be, float32 (frames, 1) in [0, 1]; the same for the same seed."""
    made = np.zeros((frames, 1), np.float32)
    if frames <= LEAST_FRAMES:
        return made
    draw = np.random.default_rng((seed, 1))
    bound = max(SHORTEST + 1, min(frames // 2, LONGEST))
    start = draw.integers(SHORTEST, bound)
    while start + len(BLINK) < frames:
        made[start : start + len(BLINK), 0] = BLINK
        start += len(BLINK) + draw.integers(SHORTEST, bound)
    return made
