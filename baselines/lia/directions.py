"""Linear motion decomposition (paper section 3.2): motion is a sum of learned orthogonal directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Directions(nn.Module):
    """Learned matrix (style_dim, motion_dim) whose orthonormal basis spans the space of motions."""

    def __init__(self, style_dim: int, motion_dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(style_dim, motion_dim))

    def basis(self) -> Tensor:
        """Orthonormal columns (style_dim, motion_dim), with the signs of LAPACK's Householder QR."""
        return torch.linalg.qr(self.weight + 1e-8).Q

    def forward(self, alpha: Tensor) -> Tensor:
        """Magnitudes (B, motion_dim) -> displacement of the latent (B, style_dim)."""
        return alpha @ self.basis().T
