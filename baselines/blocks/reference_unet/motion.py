"""Motion modules (AnimateDiff): self-attention of every position to itself over the frames of a window."""

from __future__ import annotations

import math

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.reference_unet.config import MotionConfig
from baselines.blocks.reference_unet.spatial import EPS


class PositionTable(nn.Module):
    """Sines and cosines of the place in the window, added to its frames."""

    def __init__(self, width: int, places: int):
        super().__init__()
        frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angles = torch.arange(places)[:, None] * frequencies
        table = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)  # sine and cosine of a frequency side by side
        self.register_buffer("pe", table[None])

    def forward(self, x: Tensor) -> Tensor:
        """x (B, F, L, C)."""
        return x + self.pe[0, : x.shape[1], None]


class TemporalAttention(Attention):
    """Self-attention over the frames, positions of the picture apart."""

    def __init__(self, width: int, config: MotionConfig):
        super().__init__(query_dim=width, heads=config.heads, dim_head=width // config.heads)
        self.pos_encoder = PositionTable(width, config.places)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, L, C) -> the same."""
        x = self.pos_encoder(x)
        query, keys, values = (self._by_position(layer(x)) for layer in (self.to_q, self.to_k, self.to_v))
        made = F.scaled_dot_product_attention(query, keys, values)  # (B * L, heads, F, d)
        made = made.unflatten(0, (len(x), -1)).permute(0, 3, 1, 2, 4)  # (B, F, L, heads, d)
        return self.to_out[0](made.flatten(3))

    def _by_position(self, x: Tensor) -> Tensor:
        """(B, F, L, C) -> (B * L, heads, F, d)."""
        return x.unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1, 4).flatten(0, 1)


class TemporalBlock(nn.Module):
    """Temporal attentions and a feed-forward layer, each after a layer norm, residual."""

    def __init__(self, width: int, config: MotionConfig):
        super().__init__()
        self.attention_blocks = nn.ModuleList(TemporalAttention(width, config) for _ in range(config.attentions))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.attentions))
        self.ff = FeedForward(width, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms):
            x = x + attention(norm(x))
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    def __init__(self, width: int, groups: int, config: MotionConfig):
        super().__init__()
        self.places = config.places
        self.norm = nn.GroupNorm(groups, width, eps=EPS)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(width, config)])
        self.proj_out = nn.Linear(width, width)
        nn.init.zeros_(self.proj_out.weight)  # an untrained motion module changes nothing
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor, rows: int, before: Tensor | None) -> Tensor:
        """x (rows * F, C, H, W) -> the same; before (R, M, L, C), R rows or 1: frames put in front of the window."""
        y = self._normed(x).unflatten(0, (rows, -1))  # (B, F, L, C)
        extra = 0
        if before is not None:
            pictures = before.flatten(0, 1).transpose(1, 2).unflatten(2, x.shape[2:])  # (R * M, C, H, W)
            pictures = pictures.contiguous()  # see GroupNorm's backward pass in baselines/training/diffusion.py
            past = self._normed(pictures).unflatten(0, before.shape[:2]).expand(rows, -1, -1, -1)
            y, extra = torch.cat((past, y), 1), before.shape[1]
        if y.shape[1] > self.places:
            raise ValueError(
                f"a window of {y.shape[1]} frames ({extra} of them motion frames) is longer than the {self.places} "
                "places of the positional table: use shorter windows"
            )
        for block in self.transformer_blocks:
            y = block(y)
        y = self.proj_out(y[:, extra:]).flatten(0, 1)  # (N, L, C)
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])

    def _normed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, L, C)."""
        return self.proj_in(self.norm(x).flatten(2).transpose(1, 2))


class MotionModule(nn.Module):
    """The wrapper that gives the published keys their middle name."""

    def __init__(self, width: int, groups: int, config: MotionConfig):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(width, groups, config)

    def forward(self, x: Tensor, rows: int, before: Tensor | None = None) -> Tensor:
        return self.temporal_transformer(x, rows, before)
