"""Head pose of face-vid2vid: an angle is the expectation over bins, a rotation the product of three."""

from __future__ import annotations

import torch
from torch import Tensor


def degrees(logits: Tensor, per_bin: float, offset: float) -> Tensor:
    """Bins (B, N) -> expected angle (B,) in degrees."""
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    return (logits.softmax(1) * bins).sum(1) * per_bin + offset


def rotations(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Angles (B,) in radians about the three axes -> R_x, R_y, R_z, each (B, 3, 3)."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, dim=1).view(-1, 3, 3)

    about_x = matrix(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    about_y = matrix(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    about_z = matrix(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    return about_x, about_y, about_z
