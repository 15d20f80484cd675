"""Distances between lips and shifted speech, from which offset, confidence and distance follow."""

from __future__ import annotations

import numpy as np

SHIFT = 15
_EPSILON = 1e-6  # torch's pairwise_distance adds it to every difference


def shift_distances(lips: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Embeddings float32 (N, D) of N >= 1 windows twice -> float64 (31,), mean Euclidean distance per shift.

    Entry 15 + s compares lips of window i with speech of window i + s. Beyond the clip speech is the zero vector, as
    upstream pads it, so entries far from 15 contain distances to nothing at both ends.
    """
    padded = np.pad(speech, ((SHIFT, SHIFT), (0, 0)))
    return np.array([
        np.linalg.norm(lips - padded[s : s + len(lips)] + np.float32(_EPSILON), axis=1).mean(dtype=np.float64)
        for s in range(2 * SHIFT + 1)
    ])
