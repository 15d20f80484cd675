"""LIA's encoder (paper section 3.1): one network gives the appearance code, its feature maps and the motion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from baselines.blocks.stylegan2 import ConvLayer, EqualConv2d, EqualLinear, ResBlock

MOTION_LAYERS = 5


class AppearanceNet(nn.Module):
    """Residual down-sampling from the frame to 4 px, then one vector."""

    def __init__(self, style_dim: int, widths: Sequence[int]):
        super().__init__()
        down = list(reversed(widths))
        self.convs = nn.ModuleList([ConvLayer(3, down[0], 1)])
        self.convs.extend(ResBlock(inputs, outputs) for inputs, outputs in zip(down, down[1:]))
        self.convs.append(EqualConv2d(down[-1], style_dim, 4))

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Image (B, 3, S, S) in [-1, 1] -> code (B, style_dim), features of 8, 16, ... S px."""
        *body, head = self.convs
        x, features = image, []
        for block in body:
            x = block(x)
            features.append(x)
        return head(x).flatten(1), features[-2::-1]


class Encoder(nn.Module):
    def __init__(self, style_dim: int, motion_dim: int, widths: Sequence[int]):
        super().__init__()
        self.net_app = AppearanceNet(style_dim, widths)
        layers = [EqualLinear(style_dim, style_dim) for _ in range(MOTION_LAYERS - 1)]
        self.fc = nn.Sequential(*layers, EqualLinear(style_dim, motion_dim))

    def motion(self, image: Tensor) -> Tensor:
        """Image (B, 3, S, S) in [-1, 1] -> magnitudes (B, motion_dim) along the learned directions."""
        return self.fc(self.net_app(image)[0])
