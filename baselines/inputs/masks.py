"""Where a face and its lips are, as pictures and for every level of a U-Net, from the boxes of a `Face`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.inputs.face import Face

REGIONS = ("full", "face", "lip")


def union(boxes: np.ndarray) -> np.ndarray:
    """(T, 4) x0, y0, x1, y1 -> the box around them all, (4,); frames without a face (NaN) do not count.

    Raises ValueError where no frame has one.
    """
    known = boxes[np.isfinite(boxes).all(1)]
    if not len(known):
        raise ValueError("no frame has a face to mask")
    return np.concatenate([known[:, :2].min(0), known[:, 2:].max(0)])


def grown(box: np.ndarray, ratio: float) -> np.ndarray:
    """A box (4,) with its sides multiplied by `ratio` about its centre."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * ratio
    return np.concatenate([centre - half, centre + half])


def box_mask(box: np.ndarray, size: tuple[int, int]) -> Tensor:
    """(height, width) float: the share of each pixel inside a box (4,), which may leave the frame."""
    height, width = size
    across = (np.minimum(box[2], np.arange(1, width + 1)) - np.maximum(box[0], np.arange(width))).clip(0, 1)
    down = (np.minimum(box[3], np.arange(1, height + 1)) - np.maximum(box[1], np.arange(height))).clip(0, 1)
    return torch.from_numpy(np.outer(down, across).astype(np.float32))


def face_mask(face: Face, ratio: float = 1.2) -> Tensor:
    """(1, H, W): the face in all frames of `face`, its box enlarged by `ratio` (EchoMimic dilates each side by 0.1)."""
    return box_mask(grown(union(face.box), ratio), face.size)[None]


def region_masks(face: Face, ratio: float = 1.2) -> Tensor:
    """(3, H, W) in the order of `REGIONS`: what is neither face nor lips, the face without its lips, the lips.

    They share out the frame: every pixel has sum 1. ratio: Hallo2's face_expand_ratio, for both boxes
    """
    whole = face_mask(face, ratio)[0]
    lips = torch.minimum(box_mask(grown(union(face.lips), ratio), face.size), whole)
    return torch.stack([1 - whole, whole - lips, lips])


def at_levels(masks: Tensor, sides: Sequence[int]) -> list[Tensor]:
    """(..., K, H, W) -> for each side s of a U-Net's levels (..., K, s * s), averaged over the pixels of a position."""
    flat = masks.flatten(0, -4) if masks.dim() > 3 else masks[None]
    made = [F.adaptive_avg_pool2d(flat, side).flatten(2) for side in sides]
    return [level.unflatten(0, masks.shape[:-3]) if masks.dim() > 3 else level[0] for level in made]
