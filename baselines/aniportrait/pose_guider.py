"""AniPortrait's pose guider: a drawing of the pose as features for every level of the denoising U-Net's way down."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet.passes import Pass
from baselines.blocks.reference_unet.spatial import SpatialTransformer
from baselines.blocks.reference_unet.unet import fold

START_SCALE = 2.0


def convolutions(layers: Sequence[tuple[int, int, int, int]]) -> nn.Sequential:
    """Convolution, batch norm, ReLU for each (inputs, outputs, kernel, stride)."""
    parts: list[nn.Module] = []
    for inputs, outputs, kernel, stride in layers:
        parts += [nn.Conv2d(inputs, outputs, kernel, stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*parts)


class PoseGuider(nn.Module):
    """The original also looks at the drawing of the portrait, but its attentions have no keys for it: they attend to
    themselves, so that drawing changes nothing and is not asked for here.

    widths: of the U-Net's levels; trunk: of the layers down to the latent's side, the last one does not halve
    heads, head_dim, groups: of the self-attentions and their group norm
    drawings: how many it looks at: the frame's, or also the portrait's, as the paper says (section 3.3)
    """

    def __init__(
        self, widths: Sequence[int], trunk: Sequence[int], heads: int, head_dim: int, groups: int, drawings: int = 1
    ):
        super().__init__()
        *down, last = trunk
        before = 3 * drawings
        layers = [(before, before, 3, 1)]
        for width in down:
            layers += [(before, width, 4, 2), (width, width, 3, 1)]
            before = width
        self.conv_layers = convolutions([*layers, (before, last, 3, 1)])
        self.final_proj = nn.Conv2d(last, widths[0], 1)
        self.scale = nn.Parameter(torch.full((1,), START_SCALE))
        self.levels = len(widths)
        before = widths[0]
        for level, width in enumerate(widths, 1):
            layers = [(before, before, 3, 1), (before, width, 3, 2)] if level < self.levels else [(before, width, 3, 1)]
            self.add_module(f"conv_layers_{level}", convolutions(layers))
            self.add_module(f"cross_attn{level}", SpatialTransformer(width, heads, groups, inner=heads * head_dim))
            before = width
        nn.init.zeros_(self.final_proj.weight)  # an untrained guider adds nothing to the first features
        nn.init.zeros_(self.final_proj.bias)

    def forward(self, drawing: Tensor) -> list[Tensor]:
        """(B, 3 * drawings, F, H, W) in [-1, 1] -> (B, C, F, h, w) for the first layer and after every level down."""
        x = self.final_proj(self.conv_layers(fold(drawing))) * self.scale
        features = [x]
        for level in range(1, self.levels + 1):
            x = getattr(self, f"cross_attn{level}")(getattr(self, f"conv_layers_{level}")(x), Pass())
            features.append(x)
        return [feature.unflatten(0, (len(drawing), -1)).transpose(1, 2) for feature in features]
