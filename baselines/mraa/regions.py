"""Regions of the body found without supervision, their principal axes as local motion (MRAA, section 3.2)."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAlias
from baselines.blocks.grids import grid, movement_scale, soft_argmax
from baselines.blocks.hourglass import Hourglass
from baselines.mraa.config import MRAAConfig


class Regions(TypedDict, total=False):
    """`shift` (B, K, 2): centres in [-1, 1]. `covar` (B, K, 2, 2): spread around them. `affine` (B, K, 2, 2): principal
    axes times their standard deviations. `heatmap` (B, K, h, w): where the regions are, summing to one.
    """

    shift: Tensor
    covar: Tensor
    affine: Tensor
    heatmap: Tensor


class RegionPredictor(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> Regions."""

    def __init__(self, config: MRAAConfig):
        super().__init__()
        self.temperature = config.temperature
        self.down = AntiAlias(config.channels, config.scale_factor)
        self.predictor = Hourglass(config.region_base, config.channels, config.hourglass_blocks, config.hourglass_most)
        self.regions = nn.Conv2d(self.predictor.out_channels, config.regions, config.kernel, padding=config.kernel // 2)

    def forward(self, image: Tensor) -> Regions:
        logits = self.regions(self.predictor(self.down(image)))  # (B, K, h, w)
        heatmap, shift = soft_argmax(logits, self.temperature)
        offsets = grid(logits.shape[2], logits.shape[3], logits) - shift[:, :, None, None]  # (B, K, h, w, 2)
        # a sum, not a matrix product: pairwise summation keeps the last bits that the axes of small regions need
        covar = (heatmap[..., None, None] * offsets[..., :, None] * offsets[..., None, :]).sum(dim=(2, 3))
        return {"shift": shift, "covar": covar, "affine": principal_axes(covar), "heatmap": heatmap}


def principal_axes(covar: Tensor) -> Tensor:
    """U sqrt(S) of the singular value decomposition U S U^T of (..., 2, 2); the signs are those LAPACK gives.

    Computed on the CPU: other libraries choose other signs, and weights are used to these.
    """
    u, s, _ = torch.linalg.svd(covar.cpu())
    return (u * s.sqrt()[..., None, :]).to(covar.device)


def relative(
    source: Regions,
    driving: Regions,
    initial: Regions,
    adapt_movement_scale: bool = True,
    relative_affine: bool = True,
) -> Regions:
    """Regions of the source moved as the driving regions moved since their frame `initial`; covariances as driving.

    Equals `driving` where source and initial are the same frame.
    """
    scale = movement_scale(source["shift"], initial["shift"]) if adapt_movement_scale else 1.0
    affine = driving["affine"]
    if relative_affine:
        affine = affine @ torch.linalg.inv(initial["affine"]) @ source["affine"]
    return {
        "shift": (driving["shift"] - initial["shift"]) * scale + source["shift"],
        "affine": affine,
        "covar": driving["covar"],
    }
