"""The two U-Nets of the family: one that stores what it sees of a portrait, one that denoises a window of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.reference_unet.banks import Banks
from baselines.blocks.reference_unet.config import UNetConfig
from baselines.blocks.reference_unet.passes import Audio, Pass
from baselines.blocks.reference_unet.stage import DownStage, MidStage, UpStage

FUSIONS = ("full", "midup")


class UNet(nn.Module):
    """The body of both: Stable Diffusion's U-Net over pictures that are folded into the batch."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        widths, levels = config.widths, range(len(config.widths))
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], 4 * widths[0])
        slots = iter(range(sum(self.blocks_by_stage())))
        down = [[next(slots) for _ in range(config.layers * config.attention[level])] for level in levels]
        up = [[next(slots) for _ in range((config.layers + 1) * config.attention[level])] for level in levels[::-1]]
        self.down_blocks = nn.ModuleList(DownStage(config, level, down[level]) for level in levels)
        self.up_blocks = nn.ModuleList(UpStage(config, level, taken) for level, taken in zip(levels[::-1], up))
        self.mid_block = MidStage(config, [next(slots)])

    def blocks_by_stage(self) -> tuple[int, int, int]:
        """Transformer blocks on the way down, on the way up and in the middle: the order of the banks."""
        with_attention = sum(self.config.attention)
        return self.config.layers * with_attention, (self.config.layers + 1) * with_attention, 1

    def embed(self, timestep: int | Tensor, rows: int) -> Tensor:
        """Timestep, one number or (rows,) -> (rows, 4 * widths[0])."""
        weight = self.time_embedding.linear_1.weight
        steps = torch.as_tensor(timestep, device=weight.device).reshape(-1).expand(rows)
        return self.time_embedding(self.time_proj(steps).to(weight.dtype))

    def body(self, x: Tensor, run: Pass, conditions: Sequence[Tensor] = ()) -> Tensor:
        """x (N, C, H, W) -> (N, widths[0], H, W). conditions: added after the first layer and each level down."""
        x = self.conv_in(x.contiguous(memory_format=torch.channels_last))
        added = iter(conditions)
        x = x + next(added) if conditions else x
        skips = [x]
        for stage in self.down_blocks:
            x, more = stage(x, run)
            skips += more
            extra = next(added, None)
            x = x if extra is None else x + extra
        x = self.mid_block(x, run)
        for stage in self.up_blocks:
            x = stage(x, skips, run)
            if run.ended:
                break
        return x


class ReferenceUNet(UNet):
    """Looks at a portrait, and where there are some at motion frames, once per clip (or per window of motion frames).

    The pass ends where the last transformer has stored its input: the parameters after it never get a gradient, as in
    the originals (`unused_parameters`).
    """

    def forward(
        self, pictures: Tensor, tokens: Tensor | None = None, timestep: int | Tensor = 0, fusion: str = "full"
    ) -> Banks:
        """Banks for the denoising passes.

        pictures: latents (R, C, h, w) of portraits, or (R, S, C, h, w): portrait first, then S - 1 motion frames
        tokens: (R, T, D) of the cross-attention, None for a network without
        timestep: 0 in all originals
        fusion: "full" stores in every transformer, "midup" only in the middle and on the way up
        """
        if fusion not in FUSIONS:
            raise ValueError(f"fusion {fusion!r} is none of {', '.join(FUSIONS)}")
        if pictures.dim() == 4:
            pictures = pictures[:, None]
        rows, frames = pictures.shape[:2]
        down, up, middle = self.blocks_by_stage()
        blocks = range(down + up + middle)
        run = Pass(
            rows=rows,
            frames=frames,
            embedding=self.embed(timestep, rows),
            tokens=None if tokens is None else fitting(tokens, rows, frames),
            store=frozenset(blocks if fusion == "full" else blocks[down:]),
            last=self.last_slot(),
        )
        self.body(pictures.flatten(0, 1), run)
        written = (run.written.get(slot) for slot in blocks)
        return Banks(tuple(None if entry is None else entry.unflatten(0, (rows, frames)) for entry in written))

    def last_slot(self) -> int:
        """Of the last transformer on the way up: after it nothing is stored."""
        down, up, _ = self.blocks_by_stage()
        return down + up - 1

    def unused_parameters(self) -> set[str]:
        """Names of the parameters that no bank depends on; the published files have them all the same."""
        stages = [index for index, stage in enumerate(self.up_blocks) if stage.attentions]
        last = f"up_blocks.{stages[-1]}.attentions.{len(self.up_blocks[stages[-1]].attentions) - 1}."
        used = tuple(last + key for key in ("norm.", "proj_in.", "transformer_blocks.0.norm1."))
        after = tuple(f"up_blocks.{index}." for index in range(stages[-1] + 1, len(self.up_blocks)))
        unused = (last, f"up_blocks.{stages[-1]}.upsamplers.", *after)
        names = (name for name, _ in self.named_parameters())
        return {name for name in names if name.startswith(unused) and not name.startswith(used)}


class DenoisingUNet(UNet):
    """Predicts v for a window of frames, reading the banks of the portrait."""

    def __init__(self, config: UNetConfig):
        super().__init__(config)
        if config.out_channels is None or config.motion is None:
            raise ValueError("a denoising U-Net needs out_channels and motion modules")
        self.conv_norm_out = nn.GroupNorm(config.groups, config.widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(config.widths[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        latent: Tensor,
        timestep: int | Tensor,
        banks: Banks | None = None,
        *,
        tokens: Tensor | None = None,
        token_scale: float = 1.0,
        audio: Audio | None = None,
        condition: Tensor | Sequence[Tensor] = (),
        unconditional: Tensor | None = None,
        still: bool = False,
    ) -> Tensor:
        """Noisy latent (B, C, F, h, w) -> v (B, out_channels, F, h, w). Rows and, but for the motion modules, frames do
        not influence each other.

        timestep: one for all rows, or (B,)
        banks: of `ReferenceUNet`, with B rows or one for all; None: no row reads any
        tokens: of the cross-attention, (B or 1, T, D) shared by the frames or (B or 1, F, T, D) per frame
        token_scale: factor on the cross-attention (EchoMimic's audio_feature_ratio)
        audio: for a network with `audio_dim`, one row or B
        condition: (B or 1, widths[0], F, h, w) added after the first layer; a sequence goes on with one tensor per
            level of the way down, in the width and size that the level hands on (AniPortrait's pose features)
        unconditional: (B,) bool, rows that attend to themselves only (classifier-free guidance, reference dropout)
        still: leave out motion modules and Hallo's audio attention, as when training on single frames

        Raises ValueError where rows do not fit, or a window with its motion frames exceeds the positional table.
        """
        rows, _, frames = latent.shape[:3]
        if banks is not None and banks.rows not in (1, rows):
            raise ValueError(f"banks of {banks.rows} rows do not fit a batch of {rows}")
        conditions = [condition] if isinstance(condition, Tensor) else list(condition)
        run = Pass(
            rows=rows,
            frames=frames,
            embedding=self.embed(timestep, rows),
            tokens=None if tokens is None else fitting(tokens, rows, frames),
            token_scale=token_scale,
            still=still,
            banks=banks,
            alone=unconditional,
            audio=None if audio is None else replace(audio, tokens=fitting(audio.tokens, rows, frames)),
        )
        x = self.body(fold(latent), run, [folded_condition(value, rows, frames) for value in conditions])
        x = self.conv_out(F.silu(self.conv_norm_out(x)))
        return x.unflatten(0, (rows, frames)).transpose(1, 2)


def fold(x: Tensor) -> Tensor:
    """(B, C, F, H, W) -> (B * F, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


def folded_condition(x: Tensor, rows: int, frames: int) -> Tensor:
    """(rows or 1, C, frames, H, W) -> (rows * frames, C, H, W)."""
    if len(x) not in (1, rows) or x.shape[2] != frames:
        raise ValueError(f"a condition of shape {tuple(x.shape)} does not fit {rows} rows of {frames} frames")
    return fold(x.expand(rows, -1, -1, -1, -1))


def fitting(tokens: Tensor, rows: int, frames: int) -> Tensor:
    """(rows, T, D) as it is, (rows, frames, T, D) -> (rows * frames, T, D), one row repeated for all."""
    wanted = (rows,) if tokens.dim() == 3 else (rows, frames)
    if tokens.shape[0] not in (1, rows) or tokens.shape[1 : len(wanted)] != wanted[1:]:
        raise ValueError(f"tokens of shape {tuple(tokens.shape)} do not fit {rows} rows of {frames} frames")
    return tokens.expand(rows, *tokens.shape[1:]).flatten(0, len(wanted) - 1)


def guided(v: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance. v (2 * B, ...): first the unconditional rows, then the others -> (B, ...)."""
    without, given = v.chunk(2)
    return without + scale * (given - without)
