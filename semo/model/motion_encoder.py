"""Masked motion encoder: image latents -> motion tokens (paper section 3.1, Eq. 1)."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from semo.model.layers import ViTBlock, init_linear, patchify, sincos_2d


def random_keep(batch: int, tokens: int, ratio: float, generator: torch.Generator | None = None) -> Tensor | None:
    """Positions that survive masking, drawn independently per row, in their original order.

    Returns (batch, max(1, round(tokens * (1 - ratio)))) int64, or None where nothing is masked.
    """
    if ratio <= 0:
        return None
    keep = max(1, round(tokens * (1 - ratio)))
    noise = torch.rand(batch, tokens, generator=generator)
    return noise.argsort(dim=1)[:, :keep].sort(dim=1).values


class MotionNorm(nn.Module):
    """Fixes the scale of M (B, l, d): 'layer' (per token, default), 'batch' (per dimension, running statistics)."""

    def __init__(self, kind: str, tokens: int, dim: int):
        super().__init__()
        self.kind = kind
        if kind == "layer":
            self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        elif kind == "batch":
            self.norm = nn.BatchNorm1d(tokens * dim, affine=False)
        elif kind != "none":
            raise ValueError(f"motion_norm is {kind!r}; use one of layer, batch, none")

    def forward(self, motion: Tensor) -> Tensor:
        if self.kind == "layer":
            return self.norm(motion)
        if self.kind == "batch":
            return self.norm(motion.flatten(1)).view_as(motion)
        return motion


class MotionEncoder(ModelMixin, ConfigMixin):
    """ViT over the surviving patches and `motion_tokens` learnable tokens.

    Input: latents (B, c, h, w), standardised to unit scale. Output: motion M (B, motion_tokens, motion_dim).
    The width of the ViT is independent of `motion_dim`: a projection sets the size of the bottleneck, so that the
    ablation of Table 5 changes nothing else.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 4,
        size: int = 32,
        patch: int = 2,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        motion_tokens: int = 1,
        motion_dim: int = 512,
        motion_norm: str = "layer",
        activation: str = "gelu",
    ):
        super().__init__()
        grid = size // patch
        self.embed = nn.Linear(channels * patch * patch, width)
        self.register_buffer("positions", sincos_2d(grid, grid, width), persistent=False)
        self.tokens = nn.Parameter(torch.empty(motion_tokens, width))
        self.token_positions = nn.Parameter(torch.empty(motion_tokens, width))
        self.blocks = nn.ModuleList(ViTBlock(width, heads, activation) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, motion_dim)
        self.scale_norm = MotionNorm(motion_norm, motion_tokens, motion_dim)
        self.apply(init_linear)
        nn.init.normal_(self.tokens, std=0.02)
        nn.init.normal_(self.token_positions, std=0.02)

    @property
    def patches(self) -> int:
        """Number of patch tokens of one frame, N."""
        return self.positions.shape[0]

    def forward(self, latents: Tensor, keep: Tensor | None = None) -> Tensor:
        """latents (B, c, h, w); keep (B, K) positions that survive masking, None for all -> M (B, l, d_m)."""
        x = self.embed(patchify(latents, self.config.patch)) + self.positions.to(latents.dtype)  # (B, N, D)
        if keep is not None:
            x = x.gather(1, keep.to(x.device)[..., None].expand(-1, -1, x.shape[-1]))  # (B, K, D)
        tokens = (self.tokens + self.token_positions).to(x.dtype).expand(len(x), -1, -1)
        x = torch.cat([x, tokens], dim=1)  # (B, K + l, D)
        for block in self.blocks:
            x = block(x)
        x = self.project(self.norm(x[:, -self.config.motion_tokens :]))  # (B, l, d_m)
        return self.scale_norm(x)
