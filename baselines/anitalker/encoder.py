"""AniTalker's encoder (paper section 3.2): all levels of the appearance network make one code, identity is taken out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.blocks.stylegan2 import EqualLinear
from baselines.lia.encoder import MOTION_LAYERS, AppearanceNet


class LevelWeights(nn.Module):
    """One learned number per level; their softmax is the share of each."""

    def __init__(self, levels: int):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(levels))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """(B, C) of every level -> (B, C)."""
        return torch.einsum("l,lbc->bc", self.weights.softmax(0), torch.stack(list(levels)))


class HierarchicalNet(AppearanceNet):
    """LIA's appearance network whose code is a weighted sum over all levels: the hierarchical aggregation layer.

    Levels: the mean over the pixels of every feature map, from the frame's size to 4 px, and the vector of the last
    convolution; those of another width than the code pass a linear layer (`fc1`, `fc2`, ...).
    """

    def __init__(self, style_dim: int, widths: Sequence[int]):
        super().__init__(style_dim, widths)
        narrow = [width for width in reversed(widths) if width != style_dim]
        self.projections = [f"fc{index}" for index in range(1, len(narrow) + 1)]
        for name, width in zip(self.projections, narrow):
            self.add_module(name, EqualLinear(width, style_dim))
        self.style_dim = style_dim
        self.ws = LevelWeights(len(widths) + 1)

    def aggregate(self, pooled: Sequence[Tensor], last: Tensor) -> Tensor:
        """Means over the pixels (B, C) from the largest map to the smallest and the last vector -> (B, style_dim)."""
        names = iter(self.projections)
        levels = [x if x.shape[1] == self.style_dim else self.get_submodule(next(names))(x) for x in pooled]
        return self.ws([*levels, last])

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Image (B, 3, S, S) in [-1, 1] -> code (B, style_dim), features of 8, 16, ... S px."""
        *body, head = self.convs
        x, features = image, []
        for block in body:
            x = block(x)
            features.append(x)
        code = self.aggregate([feature.mean((2, 3)) for feature in features], head(x).flatten(1))
        return code, features[-2::-1]


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


class Decoupling(nn.Module):
    """What identifies a person and what does not, each from the code by a small perceptron.

    Only `identity_excluded_net` is used after training. `identity_net_density` is a guess of the identity-excluded code
    from that of the identity, whose success the training punishes (`baselines.anitalker.decoupling`).
    """

    def __init__(self, style_dim: int):
        super().__init__()
        self.identity_net = _perceptron(style_dim)
        self.identity_net_density = _perceptron(style_dim)
        self.identity_excluded_net = _perceptron(style_dim)

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """(B, style_dim) -> identity and identity-excluded codes (B, style_dim)."""
        return self.identity_net(code), self.identity_excluded_net(code)


class Encoder(nn.Module):
    def __init__(self, style_dim: int, motion_dim: int, widths: Sequence[int]):
        super().__init__()
        self.net_app = HierarchicalNet(style_dim, widths)
        self.net_decouping = Decoupling(style_dim)  # sic: the name in the file
        layers = [EqualLinear(style_dim, style_dim) for _ in range(MOTION_LAYERS - 1)]
        self.fc = nn.Sequential(*layers, EqualLinear(style_dim, motion_dim))

    def motion_of(self, code: Tensor) -> Tensor:
        """Code (B, style_dim) of a frame -> magnitudes (B, motion_dim) along the learned directions."""
        return self.fc(self.net_decouping.identity_excluded_net(code))

    def motion(self, image: Tensor) -> Tensor:
        """Image (B, 3, S, S) in [-1, 1] -> magnitudes (B, motion_dim) along the learned directions."""
        return self.motion_of(self.net_app(image)[0])
