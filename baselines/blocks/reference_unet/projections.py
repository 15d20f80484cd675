"""Pictures and sound as tokens of the cross-attentions (Hallo)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ImageProjection(nn.Module):
    """A face embedding as `tokens` tokens of `width`."""

    def __init__(self, embedding_dim: int, width: int, tokens: int):
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(embedding_dim, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, embedding_dim) -> (B, tokens, width). Zeros give the tokens of the unconditional rows."""
        return self.norm(self.proj(embedding).unflatten(-1, (self.tokens, -1)))


class AudioProjection(nn.Module):
    """Features of the frames around each frame, of all layers of a speech network, as `tokens` tokens of `width`.

    features: frames around a frame x layers x channels, all in one vector
    """

    def __init__(self, features: int, hidden: int, width: int, tokens: int):
        super().__init__()
        self.tokens = tokens
        self.proj1 = nn.Linear(features, hidden)
        self.proj2 = nn.Linear(hidden, hidden)
        self.proj3 = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, window, layers, channels) -> (B, F, tokens, width)."""
        x = F.relu(self.proj1(features.flatten(2)))
        x = self.proj3(F.relu(self.proj2(x)))
        return self.norm(x.unflatten(-1, (self.tokens, -1)))
