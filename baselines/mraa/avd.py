"""Animation via disentanglement on regions (MRAA, section 3.4): shape from the source, pose from the driving frame."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.blocks.avd import Disentangler
from baselines.mraa.config import MRAAConfig
from baselines.mraa.regions import Regions


class AVDNetwork(Disentangler):
    """Regions of source and driving frame -> regions of the source in the driving pose.

    Not the identity where both are the same frame: for transfer between people, not for reconstruction.
    """

    def __init__(self, config: MRAAConfig):
        super().__init__(6 * config.regions, config.avd_identity, config.avd_pose)
        self.revert_axis_swap = config.revert_axis_swap

    def forward(self, source: Regions, driving: Regions) -> Regions:
        affine = source["affine"]
        if self.revert_axis_swap:  # as in the flow: by the sign of the motion from driving to source
            affine = affine * torch.sign((affine @ torch.linalg.inv(driving["affine"]))[..., :1, :1])
        made = self.disentangle(numbers(source["shift"], affine), numbers(driving["shift"], driving["affine"]))
        shift, affine = made.unflatten(1, (-1, 6)).split((2, 4), dim=2)
        affine = affine.unflatten(2, (2, 2))
        return {"shift": shift, "affine": affine, "covar": affine @ affine.mT}


def numbers(shift: Tensor, affine: Tensor) -> Tensor:
    """(B, 6 K): centre and affine of every region."""
    return torch.cat([shift, affine.flatten(2)], dim=2).flatten(1)
