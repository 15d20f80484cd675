"""What AniPortrait's denoising U-Net is told: the portrait, once as features and once as one vector, and drawings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.aniportrait.audio2mesh import Offsets
from baselines.aniportrait.head import Head
from baselines.inputs.drawing import drawn
from baselines.inputs.layouts import of

KEPT = 8  # windows whose features are kept for the next steps of the sampler


def guide(frames: Tensor, portrait: Tensor, drawings: int) -> Tensor:
    """What the pose guider looks at, (B, 3 * drawings, F, S, S) in [-1, 1].

    frames, portrait: drawings (B, 3, F or 1, S, S) in [0, 1]; drawings: 1, the frames' alone, or 2, both
    """
    return torch.cat([frames, portrait.expand_as(frames)][:drawings], 1) * 2 - 1


class Drawings:
    """The drawings of one clip, made as they are asked for.

    head: of the portrait; offsets: of its mesh; motion: pose (frames, 6) relative to it; side: of a drawing in pixels
    """

    def __init__(self, head: Head, offsets: Offsets, motion: np.ndarray, side: int, line_width: int):
        self.head, self.offsets, self.motion = head, offsets, motion
        self.size, self.line_width = (side, side), line_width

    def at(self, frames: range) -> Tensor:
        """(1, 3, F, S, S) in [0, 1]."""
        return self._drawn(self.head.moved(self.offsets.at(frames), self.motion[frames.start : frames.stop]))

    def portrait(self) -> Tensor:
        """(1, 3, 1, S, S) in [0, 1]."""
        return self._drawn(self.head)

    def _drawn(self, head: Head) -> Tensor:
        made = drawn(head.projected(self.size), of(head.shape.shape[1]), self.size, self.line_width)
        return torch.from_numpy(made).permute(3, 0, 1, 2)[None].float() / 255


class DrawnDenoiser:
    """A `baselines.blocks.diffusion.Denoiser` for one portrait.

    networks: reference U-Net, denoising U-Net and pose guider; latent: (1, C, h, w), tokens: (1, T, D) of the portrait
    seen: how many drawings the pose guider looks at
    """

    def __init__(self, networks: Mapping[str, Any], latent: Tensor, tokens: Tensor, drawings: Drawings, seen: int):
        self.unet, self.tokens = networks["denoising_unet"], tokens
        self.banks = networks["reference_unet"](latent, tokens)

        @lru_cache(KEPT)
        def features(frames: range) -> list[Tensor]:
            return networks["pose_guider"](guide(drawings.at(frames), drawings.portrait(), seen).to(latent.device))

        self.features = features

    def __call__(self, latent: Tensor, timestep: int, frames: range, unconditional: Tensor | None) -> Tensor:
        tokens = self.tokens.expand(len(latent), -1, -1)
        if unconditional is not None:
            tokens = tokens * ~unconditional[:, None, None]
        return self.unet(
            latent,
            timestep,
            self.banks,
            tokens=tokens,
            condition=self.features(frames),
            unconditional=unconditional,
        )
