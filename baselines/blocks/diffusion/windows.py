"""Overlapping windows over the frames of a clip."""

from __future__ import annotations

import math


def windows(frames: int, length: int, overlap: int) -> list[range]:
    """As few windows of `length` frames as cover the clip with at least `overlap` frames shared by neighbours.

    They are spread evenly, the first begins and the last ends the clip; one window holds all where there are no more
    frames than `length`. Raises ValueError for an overlap that a window cannot have.
    """
    if frames < 1:
        raise ValueError(f"a clip has at least one frame, not {frames}")
    if not 0 <= overlap < length:
        raise ValueError(f"windows of {length} frames cannot share {overlap}: an overlap is from 0 to {length - 1}")
    last = max(0, frames - length)
    gaps = math.ceil(last / (length - overlap))
    return [range(i * last // max(gaps, 1), min(i * last // max(gaps, 1) + length, frames)) for i in range(gaps + 1)]
