"""Thin-plate splines between two sets of five control points (TPSMM, section 3.1, equations 1 to 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REGULARISATION = 0.01
EPSILON = 1e-9  # keeps the logarithm finite at a control point


def radial(offsets: Tensor) -> Tensor:
    """U(r) = r^2 log r^2 of offsets (..., 2) -> (...)."""
    squared = offsets.square().sum(-1)
    return squared * torch.log(squared + EPSILON)


def solve(points: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The splines that take `points` (..., 5, 2) to `targets`: affine part (..., 2, 3), weights (..., 5, 2).

    The 8 x 8 system [K P; P^T 0] with 0.01 on its diagonal.
    """
    count = points.shape[-2]
    kernel = radial(points[..., :, None, :] - points[..., None, :, :])  # (..., 5, 5)
    ones = F.pad(points, (0, 1), value=1.0)  # (..., 5, 3): x, y, 1
    upper = torch.cat([kernel, ones], dim=-1)
    lower = F.pad(ones.mT, (0, 3))
    system = torch.cat([upper, lower], dim=-2)
    system = system + REGULARISATION * torch.eye(count + 3, device=points.device, dtype=points.dtype)
    solution = torch.linalg.inv(system) @ F.pad(targets, (0, 0, 0, 3))  # (..., 8, 2)
    return solution[..., count:, :].mT, solution[..., :count, :]


def transform(points: Tensor, targets: Tensor, positions: Tensor) -> Tensor:
    """Positions (h, w, 2) moved by the splines that take `points` (B, K, 5, 2) to `targets` -> (B, K, h, w, 2)."""
    affine, weights = solve(points, targets)
    ones = F.pad(positions, (0, 1), value=1.0)  # (h, w, 3)
    moved = torch.einsum("bkij,hwj->bkhwi", affine, ones)
    distances = radial(positions - points[:, :, :, None, None])  # (B, K, 5, h, w)
    return moved + torch.einsum("bkphw,bkpi->bkhwi", distances, weights)
