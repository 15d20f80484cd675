"""MRAA's recipe: perceptual pyramid and equivariance of the regions' centres and axes (section 3.4 and supplement).

Animation via disentanglement, a second training in the paper, has no part in reconstruction and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from baselines.training.perceptual import Maps
from baselines.training.stage import PairBatch, PairStage, optimiser
from baselines.training.transform import point_equivariance
from semo.train.data import FrameBank

EQUIVARIANCE = 10.0


class Training(PairStage):
    name = "mraa"
    optimiser = optimiser(lr=2e-3)

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        super().__init__({name: net for name, net in networks.items() if name != "avd_network"}, bank, maps, seed)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        regions = self.networks["region_predictor"]
        source, driving = regions(batch.source), regions(batch.driving)
        background = self.networks["bg_predictor"](batch.source, batch.driving)
        made = self.networks["generator"](batch.source, source, driving, background)["prediction"]
        deformation = batch.deformation
        deformed = regions(deformation.image(batch.driving))
        jacobian = deformation.jacobian(deformed["shift"])
        return {
            "perceptual": self.pyramid(made, batch.driving),
            "shift": EQUIVARIANCE * point_equivariance(driving["shift"], deformed["shift"], deformation),
            "affine": EQUIVARIANCE * axes_equivariance(driving["affine"], jacobian @ deformed["affine"]),
        }

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        regions = self.networks["region_predictor"]
        background = self.networks["bg_predictor"](source, driving)
        return self.networks["generator"](source, regions(source), regions(driving), background)["prediction"]


def axes_equivariance(driving: Tensor, moved: Tensor) -> Tensor:
    """Mean |I - M M^T| with M = A^-1 A', affine maps (B, K, 2, 2): zero where both have the same covariance.

    A principal axis has no sign, nor two equal ones an order, so the maps themselves may differ by a rotation.
    """
    product = torch.linalg.solve(driving, moved)
    return (torch.eye(2, device=product.device) - product @ product.mT).abs().mean()
