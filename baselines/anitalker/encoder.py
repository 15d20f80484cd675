"""AniTalker's encoder (paper section 3.2): one code from all levels of the appearance network, identity taken out."""

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
        for index, width in enumerate(narrow, 1):
            self.add_module(f"fc{index}", EqualLinear(width, style_dim))
        self.narrow = len(narrow)
        self.ws = LevelWeights(len(widths) + 1)

    def projections(self) -> list[nn.Module]:
        """Of the narrow levels, from the largest map on."""
        return [self.get_submodule(f"fc{index}") for index in range(1, self.narrow + 1)]

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Image (B, 3, S, S) in [-1, 1] -> code (B, style_dim), features of 8, 16, ... S px."""
        *body, head = self.convs
        x, features = image, []
        for block in body:
            x = block(x)
            features.append(x)
        pooled = [feature.mean((2, 3)) for feature in features]
        return aggregate(pooled, head(x).flatten(1), self.projections(), self.ws), features[-2::-1]


def aggregate(
    pooled: Sequence[Tensor], last: Tensor, projections: Sequence[nn.Module], weights: LevelWeights
) -> Tensor:
    """Means over the pixels (B, C) from the largest map to the smallest and the last vector -> code (B, style_dim)."""
    remaining = iter(projections)
    levels = [level if level.shape[1] == last.shape[1] else next(remaining)(level) for level in pooled]
    return weights([*levels, last])


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
