"""Transformer parts shared by the motion encoder, the decoder and the motion generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = {"gelu": lambda: nn.GELU(approximate="tanh"), "silu": nn.SiLU}


def sincos_1d(positions: Tensor, width: int) -> Tensor:
    """Sinusoidal embedding of real positions: (n,) -> (n, width), width even."""
    half = width // 2
    frequency = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32) / half).to(positions.device)
    angle = positions.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def sincos_2d(height: int, width: int, channels: int) -> Tensor:
    """Fixed 2-D positions of MAE and DiT, row-major: -> (height * width, channels), channels divisible by 4."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    half = channels // 2
    return torch.cat([sincos_1d(columns.reshape(-1), half), sincos_1d(rows.reshape(-1), half)], dim=1)


def patchify(latents: Tensor, patch: int) -> Tensor:
    """(B, c, h, w) -> (B, (h/p)(w/p), c p p), patches in row-major order."""
    batch, channels, height, width = latents.shape
    rows, columns = height // patch, width // patch
    x = latents.reshape(batch, channels, rows, patch, columns, patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * patch * patch)


def unpatchify(tokens: Tensor, channels: int, patch: int, rows: int, columns: int) -> Tensor:
    """Inverse of `patchify`: (B, rows * columns, c p p) -> (B, c, rows p, columns p)."""
    batch = tokens.shape[0]
    x = tokens.reshape(batch, rows, columns, channels, patch, patch)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, rows * patch, columns * patch)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (B, heads, L, d): fused, but written out for short sequences on a CPU.

    There the backward pass of the fused kernel takes a quarter of a bf16 training step.
    """
    if q.device.type == "cpu" and q.shape[2] * k.shape[2] <= 256 * 256:
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return weights.softmax(dim=-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Attention(nn.Module):
    """Multi-head attention of (B, L, D) on itself or on a context (B, K, D_c)."""

    def __init__(self, width: int, heads: int, context_width: int | None = None):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context_width or width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.key_value(context).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = attend(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))


class Mlp(nn.Sequential):
    """Two-layer perceptron with expansion 4."""

    def __init__(self, width: int, activation: str):
        super().__init__(nn.Linear(width, 4 * width), ACTIVATIONS[activation](), nn.Linear(4 * width, width))


class ViTBlock(nn.Module):
    """Pre-norm transformer block without conditioning (motion encoder)."""

    def __init__(self, width: int, heads: int, activation: str):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, activation)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """adaLN: x (B, L, D), shift and scale (B, D)."""
    return torch.addcmul(shift[:, None], x, 1 + scale[:, None])


class DiTBlock(nn.Module):
    """DiT block with adaLN-zero conditioning on c (B, D).

    `gate_init` is the initial value of both gates: 0 is adaLN-zero (DiT), 1 starts as a plain transformer.
    """

    def __init__(self, width: int, heads: int, activation: str, gate_init: float = 0.0):
        super().__init__()
        self.gate_init = gate_init
        self.norm1, self.attention = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6), Mlp(width, activation)
        self.modulation = nn.Linear(width, 6 * width)

    def init_gates(self) -> None:
        """Zero modulation, so that conditioning starts as the identity; gates start at `gate_init`."""
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        with torch.no_grad():
            bias = self.modulation.bias.view(6, -1)
            bias[2] = self.gate_init
            bias[5] = self.gate_init

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attention(modulate(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))


class TimeEmbedding(nn.Module):
    """Noise level tau in [0, 1], (B,) -> (B, D): sinusoids of 1000 tau through a two-layer perceptron (DiT)."""

    def __init__(self, width: int, frequencies: int = 128):
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, tau: Tensor) -> Tensor:
        return self.mlp(sincos_1d(1000.0 * tau, self.frequencies).to(self.mlp[0].weight.dtype))


class FinalLayer(nn.Module):
    """Last adaLN and projection: (B, L, D), (B, D) -> (B, L, channels); zero at initialisation."""

    def __init__(self, width: int, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(width, 2 * width)
        self.linear = nn.Linear(width, channels)

    def init_zero(self) -> None:
        """Zero output and identity modulation at the start of training."""
        for layer in (self.modulation, self.linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.modulation(condition).chunk(2, dim=1)
        return self.linear(modulate(self.norm(x), shift, scale))


def init_linear(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer (DiT)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
