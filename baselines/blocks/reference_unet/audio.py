"""Hallo's hierarchical audio attention: the whole frame, the face and the lips listen apart, each behind its mask."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.reference_unet.attention import attend, make
from baselines.blocks.reference_unet.passes import Audio, Pass
from baselines.blocks.reference_unet.spatial import EPS

REGIONS = ("full", "face", "lip")


class AudioBlock(nn.Module):
    """Self-attention, one masked cross-attention to sound per region, feed-forward."""

    def __init__(self, width: int, heads: int, audio_dim: int):
        super().__init__()
        for region in REGIONS:
            gate = nn.Conv2d(width, width, 1)
            nn.init.zeros_(gate.weight)  # an untrained region changes nothing
            nn.init.zeros_(gate.bias)
            self.add_module(f"zero_conv_{region}", gate)
        self.attn1 = make(width, heads)
        self.norm1 = nn.LayerNorm(width)
        for index in range(len(REGIONS)):
            self.add_module(f"attn2_{index}", make(width, heads, audio_dim))
        self.norm2 = nn.LayerNorm(width)
        self.ff = FeedForward(width, activation_fn="geglu")
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, masks: Tensor, audio: Audio) -> Tensor:
        """x (N, L, C); masks (N or 1, 3, L) of this level; audio with tokens (N, T, D)."""
        own = self.norm1(x)
        x = x + attend(self.attn1, own, own)
        own = self.norm2(x)
        for index, region in enumerate(REGIONS):
            heard = attend(getattr(self, f"attn2_{index}"), own, audio.tokens) * masks[:, index, :, None]
            gate = getattr(self, f"zero_conv_{region}")
            x = x + audio.scale[index] * F.linear(heard, gate.weight.flatten(1), gate.bias)  # 1 x 1 on positions
        return x + self.ff(self.norm3(x))


class AudioTransformer(nn.Module):
    """One audio block, `inner` channels wide, over the positions of every frame. `level`: which masks it uses."""

    def __init__(self, width: int, heads: int, groups: int, audio_dim: int, level: int, inner: int):
        super().__init__()
        self.level = level
        self.norm = nn.GroupNorm(groups, width, eps=EPS)
        self.proj_in = nn.Conv2d(width, inner, 1)
        self.transformer_blocks = nn.ModuleList([AudioBlock(inner, heads, audio_dim)])
        self.proj_out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """(N, C, H, W) -> the same."""
        if run.audio is None:
            raise ValueError("this U-Net has audio attention: give it audio")
        (block,) = self.transformer_blocks
        y = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # (N, L, C)
        y = block(y, self._masks(run, y.shape[1]), run.audio)
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, x.shape[2:]))

    def _masks(self, run: Pass, positions: int) -> Tensor:
        masks = run.audio.masks[self.level]
        if masks.shape[-2:] != (len(REGIONS), positions):
            raise ValueError(
                f"masks of level {self.level} are {tuple(masks.shape)}; they must end in {len(REGIONS), positions}"
            )
        return masks[None] if masks.dim() == 2 else torch.repeat_interleave(masks, run.frames, 0)
