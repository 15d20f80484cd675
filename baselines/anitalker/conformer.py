"""Conformer encoder (Gulati et al., Interspeech 2020) as ESPnet builds it: macaron, relative positions, norms behind.

Attribute names are those of ESPnet's state dict. Attention with relative positions is that of Transformer-XL
(Dai et al., ACL 2019, section 3.3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-12  # of layer norm, as in ESPnet


def relative_positions(length: int, width: int, like: Tensor) -> Tensor:
    """Sinusoids (2 length - 1, width) of the distances length - 1, ..., 0, ..., 1 - length; sine and cosine interleave.

    They are made in float32 whatever `like` is, as the original's table.
    """
    distances = torch.arange(length - 1, -length, -1, dtype=torch.float32, device=like.device)[:, None]
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=like.device)
    angles = distances * torch.exp(steps * -(math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(like.dtype)


class RelativeAttention(nn.Module):
    """Self-attention whose scores add a term for the distance of query and key."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(width, width) for _ in range(4))
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, width // heads))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, C), positions (2T - 1, C) -> (B, T, C)."""
        q, k, v = (self._split(layer(x)) for layer in (self.linear_q, self.linear_k, self.linear_v))  # (B, h, T, c)
        p = self._split(self.linear_pos(positions)[None])  # (1, h, 2T - 1, c)
        by_distance = (q + self.pos_bias_v[:, None]) @ p.mT  # (B, h, T, 2T - 1)
        bias = _by_key(by_distance) / math.sqrt(q.shape[-1])
        made = F.scaled_dot_product_attention(q + self.pos_bias_u[:, None], k, v, attn_mask=bias)
        return self.linear_out(made.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, heads, N, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _by_key(scores: Tensor) -> Tensor:
    """(B, h, T, 2T - 1) by distance -> (B, h, T, T) by key: of row i the columns from T - 1 - i on."""
    batch, heads, length, distances = scores.shape
    padded = F.pad(scores, (1, 0)).view(batch, heads, distances + 1, length)
    return padded[:, :, 1:].reshape(batch, heads, length, distances)[..., :length]


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(F.silu(self.w_1(x)))


class Convolution(nn.Module):
    """Gate, depthwise convolution over time, batch norm, Swish, between two pointwise layers."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, kernel, padding=(kernel - 1) // 2, groups=width)
        self.norm = nn.BatchNorm1d(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = F.glu(self.pointwise_conv1(x.mT), dim=1)  # (B, C, T)
        return self.pointwise_conv2(F.silu(self.norm(self.depthwise_conv(x)))).mT


class Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward; a norm behind each sum and one at the end."""

    def __init__(self, width: int, heads: int, hidden: int, kernel: int):
        super().__init__()
        self.self_attn = RelativeAttention(width, heads)
        self.feed_forward = FeedForward(width, hidden)
        self.feed_forward_macaron = FeedForward(width, hidden)
        self.conv_module = Convolution(width, kernel)
        self.norm_ff, self.norm_mha, self.norm_ff_macaron = (nn.LayerNorm(width, eps=EPSILON) for _ in range(3))
        self.norm_conv, self.norm_final = (nn.LayerNorm(width, eps=EPSILON) for _ in range(2))

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        x = self.norm_ff_macaron(x + 0.5 * self.feed_forward_macaron(x))
        x = self.norm_mha(x + self.self_attn(x, positions))
        x = self.norm_conv(x + self.conv_module(x))
        x = self.norm_ff(x + 0.5 * self.feed_forward(x))
        return self.norm_final(x)


class Conformer(nn.Module):
    """(B, T, width) -> (B, T, width). The input is multiplied by sqrt(width), as positional encodings ask for."""

    def __init__(self, width: int, heads: int, hidden: int, kernel: int, blocks: int):
        super().__init__()
        self.width = width
        self.encoders = nn.ModuleList(Block(width, heads, hidden, kernel) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        positions = relative_positions(x.shape[1], self.width, x)
        x = x * math.sqrt(self.width)
        for block in self.encoders:
            x = block(x, positions)
        return x
