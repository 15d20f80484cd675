"""EchoMimic's U-Nets with all they are told of a clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.reference_unet import Banks


class EchoMimicDenoiser:
    """networks: as `config.build` names them; portrait: its latent (1, C, h, w); mask: of the face (1, 1, S, S);
    tokens: frames -> (F, T, D).

    Without guidance's second row everything is told. Unconditional rows hear zeros and see the portrait no more; the
    locator's features are in both, as in the original.
    """

    def __init__(
        self,
        networks: Mapping[str, Any],
        portrait: Tensor,
        mask: Tensor,
        tokens: Callable[[range], Tensor],
        ratio: float,
    ):
        self.unet, self.tokens, self.ratio = networks["denoising_unet"], tokens, ratio
        self.banks: Banks = networks["reference_unet"](portrait)
        self.located = networks["face_locator"](mask[:, :, None])  # (1, W, 1, h, w)

    def __call__(self, latent: Tensor, timestep: int, frames: range, unconditional: Tensor | None) -> Tensor:
        tokens = self.tokens(frames).to(latent)[None]
        if unconditional is not None:
            tokens = torch.where(unconditional[:, None, None, None], torch.zeros_like(tokens), tokens)
        return self.unet(
            latent,
            timestep,
            self.banks,
            tokens=tokens.expand(len(latent), -1, -1, -1),
            token_scale=self.ratio,
            condition=self.located.expand(-1, -1, len(frames), -1, -1),
            unconditional=unconditional,
        )
