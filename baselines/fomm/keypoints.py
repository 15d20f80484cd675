"""Keypoints with local affine motion, found without supervision (FOMM, section 3.1), and motion relative to a frame."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAlias
from baselines.blocks.grids import movement_scale, soft_argmax
from baselines.blocks.hourglass import Hourglass
from baselines.fomm.config import FOMMConfig


class Keypoints(TypedDict, total=False):
    """`value` (B, K, 2): positions in [-1, 1]. `jacobian` (B, K, 2, 2), if estimated: the motion's derivative there."""

    value: Tensor
    jacobian: Tensor


class KPDetector(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> Keypoints.

    The heads are not padded: at 256 px the heatmaps are 58 x 58 of the 64 x 64 map, and their outermost positions are
    still -1 and +1.
    """

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.temperature = config.temperature
        self.down = AntiAlias(config.channels, config.scale_factor)
        self.predictor = Hourglass(
            config.detector_base, config.channels, config.hourglass_blocks, config.hourglass_most
        )
        features, count = self.predictor.out_channels, config.keypoints
        self.kp = nn.Conv2d(features, count, config.kernel)
        self.jacobian = nn.Conv2d(features, 4 * count, config.kernel) if config.jacobian else None
        if self.jacobian is not None:
            nn.init.zeros_(self.jacobian.weight)
            self.jacobian.bias = nn.Parameter(torch.eye(2).flatten().repeat(count))

    def forward(self, image: Tensor) -> Keypoints:
        features = self.predictor(self.down(image))
        heatmap, value = soft_argmax(self.kp(features), self.temperature)  # (B, K, h, w), (B, K, 2)
        if self.jacobian is None:
            return {"value": value}
        maps = self.jacobian(features).unflatten(1, (-1, 4))  # (B, K, 4, h, w)
        jacobian = (heatmap[:, :, None] * maps).sum(dim=(3, 4)).unflatten(2, (2, 2))
        return {"value": value, "jacobian": jacobian}


def relative(
    source: Keypoints,
    driving: Keypoints,
    initial: Keypoints,
    adapt_movement_scale: bool = True,
    relative_jacobian: bool = True,
) -> Keypoints:
    """Keypoints of the source moved as the driving face moved since its frame `initial` (FOMM, section 3.4).

    `adapt_movement_scale` scales displacements by the ratio of the faces' extents. Equals `driving` where source and
    initial are the same frame.
    """
    scale = movement_scale(source["value"], initial["value"]) if adapt_movement_scale else 1.0
    moved: Keypoints = {"value": (driving["value"] - initial["value"]) * scale + source["value"]}
    if "jacobian" in driving:
        jacobian = driving["jacobian"]
        if relative_jacobian:
            jacobian = jacobian @ torch.linalg.inv(initial["jacobian"]) @ source["jacobian"]
        moved["jacobian"] = jacobian
    return moved
