"""Diffusion decoder: reference latents, noised target latents and motion -> prediction (paper section 3.1, Eq. 3)."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from semo.model.layers import DiTBlock, FinalLayer, TimeEmbedding, init_linear, patchify, sincos_2d, unpatchify
from semo.model.temporal import TemporalAlignBlock

ROLES = ("reference", "target", "reference motion", "target motion")


def warp(latents: Tensor, displacement: Tensor) -> Tensor:
    """Sample latents (B, c, h, w) at every position plus displacement (B, 2, h, w), x then y in units of half sides."""
    height, width = latents.shape[-2:]
    ys = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=latents.device)
    xs = torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=latents.device)
    grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1) + displacement.float().permute(0, 2, 3, 1)
    return F.grid_sample(latents.float(), grid, padding_mode="border", align_corners=False).to(latents.dtype)


class WarpHead(nn.Module):
    """Displacement and visibility of the reference from target tokens, on a grid of `cells` x `cells` per patch."""

    def __init__(self, width: int, cells: int):
        super().__init__()
        self.cells = cells
        self.final = FinalLayer(width, 3 * cells * cells)

    def init_identity(self) -> None:
        """Start as a copy of the reference: no displacement, everything visible."""
        self.final.init_zero()

    def forward(self, x: Tensor, condition: Tensor, reference: Tensor, grid: int) -> Tensor:
        """x (B, N, D), reference (B, c, h, w) -> the warped, masked reference (B, c, h, w)."""
        field = unpatchify(self.final(x, condition), 3, self.cells, grid, grid)  # (B, 3, g, g)
        field = F.interpolate(field.float(), size=reference.shape[-2:], mode="bilinear", align_corners=False)
        visible = 2 * torch.sigmoid(field[:, 2:])
        return warp(reference, field[:, :2]) * visible.clamp(max=1).to(reference.dtype)


class SeamRefiner(nn.Module):
    """Three convolutions over the assembled latents and the reference part of them: they close the seams of patches."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def init_identity(self) -> None:
        """Start by changing nothing."""
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: Tensor, base: Tensor) -> Tensor:
        """x and base (B, c, h, w) -> (B, c, h, w)."""
        return x + self.layers(torch.cat([x, base], dim=1))


class Decoder(ModelMixin, ConfigMixin):
    """DiT over the sequence [Z_r, Z_t^n, M_r, M_t]; the positions of Z_t^n carry the prediction.

    The defaults are the paper's choices. Options for small budgets (semo/presets/mini.yaml says why):
    `motion_in_adaln` adds both motions to the conditioning; `reference_input` 'channel' adds Z_r to the embedding of
    Z_t^n instead of giving it tokens of its own; `reference_skip` 'add' or 'warp' adds the reference, or the
    reference displaced by a predicted field, to the output (data prediction only); `refine_width` > 0 lets three
    convolutions of that width run over the result; `gate_init` 1 opens the gates.
    `temporal` ('none', 'joint', 'axial') inserts a Temporal Align Block after every second block.
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
        activation: str = "gelu",
        gate_init: float = 0.0,
        motion_in_adaln: bool = False,
        reference_input: str = "sequence",
        reference_skip: str = "none",
        warp_cells: int = 4,
        refine_width: int = 0,
        temporal: str = "none",
    ):
        super().__init__()
        _check(reference_input=reference_input, reference_skip=reference_skip, temporal=temporal)
        self.grid = size // patch
        token = channels * patch * patch
        self.embed_reference = nn.Linear(token, width)
        self.embed_target = nn.Linear(token, width)
        self.embed_motion = nn.Linear(motion_dim, width)
        self.register_buffer("positions", sincos_2d(self.grid, self.grid, width), persistent=False)
        self.slots = nn.Parameter(torch.empty(motion_tokens, width))
        self.roles = nn.Parameter(torch.empty(len(ROLES), width))
        self.embed_tau = TimeEmbedding(width)
        self.embed_condition = nn.Linear(2 * motion_tokens * motion_dim, width) if motion_in_adaln else None
        self.blocks = nn.ModuleList(DiTBlock(width, heads, activation, gate_init) for _ in range(depth))
        self.align = nn.ModuleList(
            TemporalAlignBlock(width, heads, activation, temporal)
            for _ in range(depth // 2 if temporal != "none" else 0)
        )
        self.final = FinalLayer(width, token)
        self.warp_head = WarpHead(width, warp_cells) if reference_skip == "warp" else None
        self.refiner = SeamRefiner(channels, refine_width) if refine_width else None
        self._initialise()

    def _initialise(self) -> None:
        self.apply(init_linear)
        nn.init.normal_(self.slots, std=0.02)
        nn.init.normal_(self.roles, std=0.02)
        for block in self.blocks:
            block.init_gates()
        for block in self.align:
            block.init_identity()
        self.final.init_zero()
        if self.warp_head is not None:
            self.warp_head.init_identity()
        if self.refiner is not None:
            self.refiner.init_identity()

    def forward(self, reference: Tensor, noised: Tensor, m_ref: Tensor, m_tgt: Tensor, tau: Tensor) -> Tensor:
        """One prediction per target frame.

        reference and noised (B, c, h, w), or noised (B, F, c, h, w) for video with one reference and one tau per clip;
        m_ref (B, l, d_m); m_tgt (B, l, d_m) or (B, F, l, d_m); tau (B,). Returns the shape of `noised`.
        """
        if noised.dim() == 5:
            return self._forward_video(reference, noised, m_ref, m_tgt, tau)
        return self._forward_frames(reference, noised, m_ref, m_tgt, tau, frames=1)

    def _forward_video(self, reference: Tensor, noised: Tensor, m_ref: Tensor, m_tgt: Tensor, tau: Tensor) -> Tensor:
        frames = noised.shape[1]
        per_frame = (x.repeat_interleave(frames, dim=0) for x in (reference, m_ref, tau))
        reference, m_ref, tau = per_frame
        out = self._forward_frames(reference, noised.flatten(0, 1), m_ref, m_tgt.flatten(0, 1), tau, frames)
        return out.unflatten(0, (-1, frames))

    def _forward_frames(
        self, reference: Tensor, noised: Tensor, m_ref: Tensor, m_tgt: Tensor, tau: Tensor, frames: int
    ) -> Tensor:
        config = self.config
        positions = self.positions.to(noised.dtype)
        z_ref = self.embed_reference(patchify(reference, config.patch)) + positions  # (B, N, D)
        z_tgt = self.embed_target(patchify(noised, config.patch)) + positions  # (B, N, D)
        motions = [self.embed_motion(m) + self.slots + self.roles[2 + i] for i, m in enumerate((m_ref, m_tgt))]
        if config.reference_input == "sequence":
            x = torch.cat([z_ref + self.roles[0], z_tgt + self.roles[1], *motions], dim=1)  # (B, 2N + 2l, D)
            target = slice(z_ref.shape[1], 2 * z_ref.shape[1])
        else:
            x = torch.cat([z_ref + z_tgt, *motions], dim=1)  # (B, N + 2l, D)
            target = slice(0, z_tgt.shape[1])
        condition = self.embed_tau(tau)
        if self.embed_condition is not None:
            condition = condition + self.embed_condition(torch.cat([m_ref.flatten(1), m_tgt.flatten(1)], dim=1))
        condition = F.silu(condition)  # (B, D)
        for index, block in enumerate(self.blocks):
            x = block(x, condition)
            if len(self.align) and index % 2 == 1:
                aligned = self.align[index // 2](x[:, target], frames)
                x = torch.cat([x[:, : target.start], aligned, x[:, target.stop :]], dim=1)
        x = x[:, target]  # (B, N, D)
        out = unpatchify(self.final(x, condition), config.channels, config.patch, self.grid, self.grid)
        base = torch.zeros_like(reference)
        if config.reference_skip == "add":
            base = reference
        elif self.warp_head is not None:
            base = self.warp_head(x, condition, reference, self.grid)
        out = out + base
        return out if self.refiner is None else self.refiner(out, base)


def _check(reference_input: str, reference_skip: str, temporal: str) -> None:
    for name, value, allowed in (
        ("reference_input", reference_input, ("sequence", "channel")),
        ("reference_skip", reference_skip, ("none", "add", "warp")),
        ("temporal", temporal, ("none", "joint", "axial")),
    ):
        if value not in allowed:
            raise ValueError(f"decoder option {name} is {value!r}; use one of {', '.join(allowed)}")
