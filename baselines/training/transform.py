"""Known random deformations of an image, for the equivariance losses of keypoint-based methods.

FOMM (NeurIPS 2019, section 3.1 and its appendix) asks keypoints to follow a thin plate spline drawn at random: an
affine map near the identity plus small bends at control points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.grids import grid

CONTROL = 5  # control points along a side
SIGMA_AFFINE = 0.05
SIGMA_BEND = 0.005
EPSILON = 1e-6


def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Parameters of `batch` random deformations: affine (B, 2, 3) and bends (B, CONTROL², 2)."""
    affine = torch.eye(2, 3) + SIGMA_AFFINE * torch.randn(batch, 2, 3, generator=generator)
    return affine, SIGMA_BEND * torch.randn(batch, CONTROL**2, 2, generator=generator)


@dataclass(frozen=True)
class Deformation:
    """z -> A z + b + sum_i w_i r_i² log(r_i² + eps), r_i the distance of z to control point i; z in [-1, 1]²."""

    affine: Tensor
    bends: Tensor

    def points(self, points: Tensor) -> Tensor:
        """(B, N, 2) -> where each point goes, (B, N, 2)."""
        square = self._offsets(points).square().sum(-1)  # (B, N, K)
        bent = (square * (square + EPSILON).log()) @ self.bends
        return points @ self.affine[:, :, :2].mT + self.affine[:, None, :, 2] + bent

    def jacobian(self, points: Tensor) -> Tensor:
        """(B, N, 2) -> derivative of the map at each point, (B, N, 2, 2)."""
        offsets = self._offsets(points)
        square = offsets.square().sum(-1, keepdim=True)  # (B, N, K, 1)
        slope = 2 * offsets * ((square + EPSILON).log() + square / (square + EPSILON))
        return self.affine[:, None, :, :2] + torch.einsum("bkc,bnkd->bncd", self.bends, slope)

    def image(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> the image seen through the map: output(z) = image(map(z))."""
        batch, _, height, width = image.shape
        positions = grid(height, width, image).view(1, -1, 2).expand(batch, -1, -1)
        where = self.points(positions).view(batch, height, width, 2)
        return F.grid_sample(image, where, padding_mode="reflection", align_corners=True)

    def _offsets(self, points: Tensor) -> Tensor:
        """(B, N, 2) -> from every control point, (B, N, K, 2)."""
        control = grid(CONTROL, CONTROL, points).view(1, 1, -1, 2)
        return points[:, :, None] - control


def point_equivariance(driving: Tensor, deformed: Tensor, deformation: Deformation) -> Tensor:
    """Mean |kp(X) - T(kp(T X))| of keypoints (B, N, 2) of an image and of its deformed version."""
    return (driving - deformation.points(deformed)).abs().mean()


def jacobian_equivariance(driving: Tensor, deformed: Tensor, points: Tensor, deformation: Deformation) -> Tensor:
    """Mean |I - J(X)^-1 T' J(T X)| of local affine maps (B, N, 2, 2), T' at the deformed image's keypoints `points`."""
    product = torch.linalg.solve(driving, deformation.jacobian(points) @ deformed)
    return (torch.eye(2, device=product.device) - product).abs().mean()
