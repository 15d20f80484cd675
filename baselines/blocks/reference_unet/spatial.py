"""Spatial transformers that write their self-attention's input to a bank, or read one (mutual self-attention)."""

from __future__ import annotations

from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from baselines.blocks.reference_unet.attention import attend, attend_with_stored, make
from baselines.blocks.reference_unet.passes import Pass

EPS = 1e-6


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention where there are tokens, feed-forward; each after a layer norm, residual."""

    def __init__(self, width: int, heads: int, token_dim: int | None):
        super().__init__()
        self.attn1 = make(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.attn2 = None if token_dim is None else make(width, heads, token_dim)
        self.norm2 = None if token_dim is None else nn.LayerNorm(width)
        self.ff = FeedForward(width, activation_fn="geglu")
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, stored: Tensor | None, run: Pass) -> Tensor:
        """x (N, L, C); stored (B or 1, K, C): what the self-attention reads besides its own positions."""
        own = self.norm1(x)
        x = x + (
            attend(self.attn1, own, own) if stored is None else attend_with_stored(self.attn1, own, stored, run.alone)
        )
        if self.attn2 is not None:
            if run.tokens is None:
                raise ValueError("this U-Net has cross-attention: give it tokens")
            x = x + run.token_scale * attend(self.attn2, self.norm2(x), run.tokens)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """One transformer block, `inner` channels wide, over the positions of every picture of `width` channels.

    slot: its place in `Banks.entries`, None where it neither writes nor reads
    """

    def __init__(
        self,
        width: int,
        heads: int,
        groups: int,
        token_dim: int | None = None,
        slot: int | None = None,
        inner: int | None = None,
    ):
        super().__init__()
        inner = inner or width
        self.slot = slot
        self.norm = nn.GroupNorm(groups, width, eps=EPS)
        self.proj_in = nn.Conv2d(width, inner, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(inner, heads, token_dim)])
        self.proj_out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """(N, C, H, W) -> the same."""
        (block,) = self.transformer_blocks
        y = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # (N, L, C)
        if self.slot in run.store:
            run.written[self.slot] = block.norm1(y)
            if run.ended:
                return x
        stored = run.banks.portrait(self.slot) if run.banks is not None and self.slot is not None else None
        y = block(y, stored, run)
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, x.shape[2:]))
