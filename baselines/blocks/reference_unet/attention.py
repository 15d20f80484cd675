"""Attention on the parameters of diffusers' `Attention`, with keys that need not be repeated or projected per frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional as F


def make(width: int, heads: int, token_dim: int | None = None) -> Attention:
    """Multi-head attention of `width` channels to itself, or to tokens of `token_dim`."""
    return Attention(query_dim=width, cross_attention_dim=token_dim, heads=heads, dim_head=width // heads)


def split(attention: Attention, x: Tensor) -> Tensor:
    """(N, L, C) -> (N, heads, L, C / heads)."""
    return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)


def project(attention: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of (N, T, D), (N, heads, T, C / heads) each."""
    return split(attention, attention.to_k(tokens)), split(attention, attention.to_v(tokens))


def join(attention: Attention, x: Tensor) -> Tensor:
    """(N, heads, L, C / heads) -> (N, L, C), mixed by the output layer."""
    return attention.to_out[0](x.transpose(1, 2).flatten(2))


def attend(attention: Attention, x: Tensor, tokens: Tensor) -> Tensor:
    """x (N, L, C) attends to tokens (M, T, D), M a divisor of N: groups of N / M entries share their tokens."""
    groups = x.reshape(len(tokens), -1, x.shape[-1])  # (M, N / M * L, C)
    query = split(attention, attention.to_q(groups))
    made = F.scaled_dot_product_attention(query, *project(attention, tokens))
    return join(attention, made).view_as(x)


def attend_with_stored(attention: Attention, x: Tensor, stored: Tensor, alone: Tensor | None) -> Tensor:
    """Self-attention of frames that also look at stored positions.

    x (B * F, L, C): B rows of F frames; stored (B or 1, K, C): read by every frame of its row; alone (B,) bool: rows
    that attend to themselves only.
    """
    query = split(attention, attention.to_q(x))
    keys, values = project(attention, x)
    stored_pair = project(attention, stored)
    if alone is None or not alone.any():
        return join(attention, _with_stored(query, keys, values, stored_pair))
    frames = len(x) // len(alone)
    made = torch.empty_like(query)
    apart = alone.repeat_interleave(frames)
    made[apart] = F.scaled_dot_product_attention(query[apart], keys[apart], values[apart])
    if not alone.all():
        pair = [part if len(part) == 1 else part[~alone] for part in stored_pair]
        made[~apart] = _with_stored(query[~apart], keys[~apart], values[~apart], pair)
    return join(attention, made)


def _with_stored(query: Tensor, keys: Tensor, values: Tensor, extra: Sequence[Tensor]) -> Tensor:
    """Scaled dot products of (N, heads, L, d) with own and `extra` (M, heads, K, d) keys, M a divisor of N."""
    repeats = len(query) // len(extra[0])
    extra_keys, extra_values = (part.repeat_interleave(repeats, 0) for part in extra)
    return F.scaled_dot_product_attention(query, torch.cat((keys, extra_keys), 2), torch.cat((values, extra_values), 2))
