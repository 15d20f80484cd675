"""Temporal Align Block: attention over the target tokens of several frames (paper section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semo.model.layers import Attention, Mlp, sincos_1d


class TemporalAlignBlock(nn.Module):
    """Self-attention between frames with a zero gate: at initialisation the video model equals the image model.

    'joint' (paper) attends over all F N target tokens of a clip, O((F N)^2); 'axial' attends over the F frames of
    each patch, O(N F^2).
    """

    def __init__(self, width: int, heads: int, activation: str, kind: str):
        super().__init__()
        self.kind, self.width = kind, width
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, activation)
        self.gate = nn.Parameter(torch.empty(2, width))

    def init_identity(self) -> None:
        """Close the gate."""
        nn.init.zeros_(self.gate)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """x (B F, N, D), frames of one clip adjacent -> the same shape."""
        tokens = x.shape[1]
        clip = x.unflatten(0, (-1, frames))  # (B, F, N, D)
        positions = sincos_1d(torch.arange(frames, device=x.device), self.width).to(x.dtype)
        y = self.norm1(clip) + positions[:, None]
        if self.kind == "joint":
            y = self.attention(y.flatten(1, 2)).unflatten(1, (frames, tokens))
        else:
            y = self.attention(y.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, tokens)).transpose(1, 2)
        clip = clip + self.gate[0] * y
        clip = clip + self.gate[1] * self.mlp(self.norm2(clip))
        return clip.flatten(0, 1)
