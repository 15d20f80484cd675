"""Motion generator: previous motions, reference motion and audio -> the next motions (paper section 3.2, Eq. 7)."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from semo.model.layers import Attention, DiTBlock, FinalLayer, TimeEmbedding, init_linear, sincos_1d

AUDIO_PER_FRAME = 2


class GeneratorBlock(nn.Module):
    """DiT block with two cross-attention layers between self-attention and MLP: to the audio, to the reference motion.

    The cross-attentions are pre-norm residuals whose output projections start at zero.
    """

    def __init__(self, width: int, heads: int, activation: str, gate_init: float):
        super().__init__()
        self.dit = DiTBlock(width, heads, activation, gate_init)
        self.norm_audio, self.audio = nn.LayerNorm(width), Attention(width, heads)
        self.norm_reference, self.reference = nn.LayerNorm(width), Attention(width, heads)

    def init_gates(self) -> None:
        """Start with closed cross-attention."""
        self.dit.init_gates()
        for attention in (self.audio, self.reference):
            nn.init.zeros_(attention.out.weight)

    def forward(self, x: Tensor, condition: Tensor, audio: Tensor, reference: Tensor) -> Tensor:
        dit = self.dit
        shift1, scale1, gate1, shift2, scale2, gate2 = dit.modulation(condition)[:, None].chunk(6, dim=2)
        x = x + gate1 * dit.attention(dit.norm1(x) * (1 + scale1) + shift1)
        x = x + self.audio(self.norm_audio(x), audio)
        x = x + self.reference(self.norm_reference(x), reference)
        return x + gate2 * dit.mlp(dit.norm2(x) * (1 + scale2) + shift2)


class MotionGenerator(ModelMixin, ConfigMixin):
    """DiT over the motions of `previous` + `window` frames.

    Motions are standardised per dimension by the caller. Audio comes with two vectors per frame (50 Hz at 25 fps);
    queries and keys share temporal positions in units of frames, so that a frame finds its own sound.
    """

    @register_to_config
    def __init__(
        self,
        motion_tokens: int = 1,
        motion_dim: int = 512,
        audio_dim: int = 512,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        previous: int = 16,
        window: int = 16,
        activation: str = "gelu",
        gate_init: float = 0.0,
    ):
        super().__init__()
        self.embed_motion = nn.Linear(motion_dim, width)
        self.embed_reference = nn.Linear(motion_dim, width)
        self.embed_audio = nn.Sequential(nn.Linear(audio_dim, width), nn.SiLU(), nn.Linear(width, width))
        frames = torch.arange(-previous, window, dtype=torch.float32)
        self.register_buffer("frame_positions", sincos_1d(frames, width), persistent=False)
        audio_frames = torch.arange(-previous * AUDIO_PER_FRAME, window * AUDIO_PER_FRAME) / AUDIO_PER_FRAME
        self.register_buffer("audio_positions", sincos_1d(audio_frames, width), persistent=False)
        self.slots = nn.Parameter(torch.empty(motion_tokens, width))
        self.roles = nn.Parameter(torch.empty(2, width))  # previous, target
        self.no_previous = nn.Parameter(torch.empty(width))
        self.no_audio = nn.Parameter(torch.empty(width))
        self.embed_tau = TimeEmbedding(width)
        self.blocks = nn.ModuleList(GeneratorBlock(width, heads, activation, gate_init) for _ in range(depth))
        self.final = FinalLayer(width, motion_dim)
        self.apply(init_linear)
        for parameter in (self.slots, self.roles, self.no_previous, self.no_audio):
            nn.init.normal_(parameter, std=0.02)
        for block in self.blocks:
            block.init_gates()
        self.final.init_zero()

    def forward(
        self,
        previous: Tensor,
        noised: Tensor,
        reference: Tensor,
        audio: Tensor,
        tau: Tensor,
        has_previous: Tensor | None = None,
        has_audio: Tensor | None = None,
    ) -> Tensor:
        """previous (B, P, l, d_m), noised (B, W, l, d_m), reference (B, l, d_m), audio (B, 2 (P + W), d_a), tau (B,).

        `has_previous` and `has_audio` (B,) bool replace the missing input by a learned null token. Returns the
        prediction (B, W, l, d_m).
        """
        window, tokens = noised.shape[1], noised.shape[2]
        past = self.embed_motion(previous)
        if has_previous is not None:
            past = torch.where(has_previous[:, None, None, None], past, self.no_previous.to(past.dtype))
        x = torch.cat([past + self.roles[0], self.embed_motion(noised) + self.roles[1]], dim=1)  # (B, P + W, l, D)
        x = (x + self.frame_positions.to(x.dtype)[:, None] + self.slots).flatten(1, 2)  # (B, (P + W) l, D)
        sound = self.embed_audio(audio)
        if has_audio is not None:
            sound = torch.where(has_audio[:, None, None], sound, self.no_audio.to(sound.dtype))
        sound = sound + self.audio_positions.to(sound.dtype)  # (B, 2 (P + W), D)
        portrait = self.embed_reference(reference) + self.slots  # (B, l, D)
        condition = F.silu(self.embed_tau(tau))
        for block in self.blocks:
            x = block(x, condition, sound, portrait)
        x = self.final(x[:, -window * tokens :], condition)  # (B, W l, d_m)
        return x.unflatten(1, (window, tokens))
