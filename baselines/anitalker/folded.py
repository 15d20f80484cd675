"""The renderer for inference alone: equal to the plain one up to rounding (`baselines.lia.folded`)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.anitalker.encoder import Encoder, aggregate
from baselines.anitalker.renderer import Renderer
from baselines.lia import folded


class FoldedEncoder(folded.FoldedEncoder):
    def __init__(self, encoder: Encoder):
        super().__init__(encoder)
        self.projections = nn.ModuleList(copy.deepcopy(encoder.net_app.projections()))
        self.ws = copy.deepcopy(encoder.net_app.ws)
        self.identity_excluded_net = copy.deepcopy(encoder.net_decouping.identity_excluded_net)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Image (B, 3, S, S) in [-1, 1] -> code (B, style_dim), features of 8, 16, ... S px."""
        x, features, pooled = image.contiguous(memory_format=torch.channels_last), [], []
        for block in self.body:
            x = block(x)
            features.append(x)
            pooled.append(x.mean((2, 3)))
        return self._code(x, pooled), features[-2::-1]

    def motion_of(self, code: Tensor) -> Tensor:
        """Code (B, style_dim) of a frame -> magnitudes (B, motion_dim) along the learned directions."""
        return self.fc(self.identity_excluded_net(code))

    def motion(self, image: Tensor) -> Tensor:
        """Image (B, 3, S, S) in [-1, 1] -> magnitudes (B, motion_dim); no feature map is kept."""
        x, pooled = image.contiguous(memory_format=torch.channels_last), []
        for block in self.body:
            x = block(x)
            pooled.append(x.mean((2, 3)))
        return self.motion_of(self._code(x, pooled))

    def _code(self, smallest: Tensor, pooled: list[Tensor]) -> Tensor:
        return aggregate(pooled, F.linear(smallest.flatten(1), self.head), list(self.projections), self.ws)


class FoldedRenderer(nn.Module):
    """A copy of the renderer for inference, in eval mode; the renderer itself is not changed."""

    @torch.no_grad()
    def __init__(self, renderer: Renderer):
        super().__init__()
        self.enc, self.dec = FoldedEncoder(renderer.enc), folded.FoldedDecoder(renderer.dec)
        self.eval().requires_grad_(False)
