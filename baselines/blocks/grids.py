"""Coordinates, warps and heatmaps. Positions are (x, y) with -1 and +1 at the centres of the first and last pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """`align_corners` of the calls of `grid_sample` and of `interpolate`: part of what weights were trained with."""

    grid_sample: bool
    interpolate: bool


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """(height, width, 2) positions of the pixel centres, in the type and on the device of `like`."""
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype) if width > 1 else like.new_zeros(1)
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype) if height > 1 else like.new_zeros(1)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def resize(maps: Tensor, size: torch.Size | tuple[int, int], sampling: Sampling) -> Tensor:
    """(B, C, H, W) bilinearly to `size`; itself where it has that size."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=sampling.interpolate)


def warp(maps: Tensor, flow: Tensor, sampling: Sampling) -> Tensor:
    """Look up `maps` (B or 1, C, H, W) at the positions `flow` (B, h, w, 2), resized to H x W; zero outside."""
    if flow.shape[1:3] != maps.shape[-2:]:
        flow = resize(flow.permute(0, 3, 1, 2), maps.shape[-2:], sampling).permute(0, 2, 3, 1)
    maps = maps.expand(len(flow), -1, -1, -1)
    return F.grid_sample(maps, flow, mode="bilinear", padding_mode="zeros", align_corners=sampling.grid_sample)


def warp_each(maps: Tensor, flows: Tensor, sampling: Sampling) -> Tensor:
    """`maps` (B or 1, C, H, W) by each of N flows (B, N, H, W, 2) -> (B, N, C, H, W)."""
    batch, count = flows.shape[:2]
    copies = maps[:, None].expand(batch, count, -1, -1, -1).flatten(0, 1)
    return warp(copies, flows.flatten(0, 1), sampling).unflatten(0, (batch, count))


def homogeneous(numbers: Tensor) -> Tensor:
    """(B, 6), the upper two rows -> (B, 3, 3)."""
    last = numbers.new_tensor([0.0, 0.0, 1.0]).expand(len(numbers), 1, 3)
    return torch.cat([numbers.view(-1, 2, 3), last], dim=1)


def transform(matrix: Tensor, positions: Tensor) -> Tensor:
    """Homogeneous matrices (B, 3, 3) on positions (h, w, 2) -> (B, h, w, 2)."""
    moved = torch.einsum("bij,hwj->bhwi", matrix, F.pad(positions, (0, 1), value=1.0))
    return moved[..., :2] / moved[..., 2:]


def gaussian(points: Tensor, size: tuple[int, int], variance: float) -> Tensor:
    """Unnormalised gaussians at `points` (B, K, 2) -> (B, K, height, width)."""
    offsets = grid(*size, points) - points[:, :, None, None]  # (B, K, H, W, 2)
    return torch.exp(-0.5 * offsets.square().sum(-1) / variance)


def soft_argmax(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(B, K, H, W) -> heatmaps (B, K, H, W) that sum to one, and their mean positions (B, K, 2)."""
    heatmap = F.softmax(logits.flatten(2) / temperature, dim=2).view_as(logits)
    positions = grid(logits.shape[2], logits.shape[3], logits)
    return heatmap, (heatmap[..., None] * positions).sum(dim=(2, 3))


def hull_area(points: Tensor) -> Tensor:
    """(B, K, 2) -> (B,) areas of the convex hulls, in float64; 0 where all points lie on a line."""
    return torch.tensor([_area(cloud) for cloud in points.detach().cpu().double().numpy()], dtype=torch.float64)


def _area(cloud: np.ndarray) -> float:
    try:
        return float(ConvexHull(cloud).volume)  # the volume of a hull in the plane is its area
    except QhullError:
        return 0.0


def movement_scale(source: Tensor, initial: Tensor) -> Tensor:
    """(B, 1, 1) ratio of the extents of two faces: root of the areas of their points' hulls; 1 where it has none."""
    areas, initials = hull_area(source), hull_area(initial)
    ratio = torch.where((areas > 0) & (initials > 0), areas.sqrt() / initials.sqrt(), torch.ones_like(areas))
    return ratio.to(source)[:, None, None]
