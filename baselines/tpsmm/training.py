"""TPSMM's recipe: perceptual pyramid, equivariance, warp and background losses, splines dropped (section 3.4).

Animation via disentanglement, a second training, has no part in reconstruction and is left out.
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
WARP = 10.0
BACKGROUND = 10.0
BACKGROUND_FROM = 0.1  # share of the training, as epoch 10 of 100
DROPOUT = (0.1, 0.3)  # share of splines left out, rising from
DROPOUT_FROM = 0.35  # this share of the training on


class Training(PairStage):
    name = "tpsmm"
    optimiser = optimiser(lr=2e-3)

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        super().__init__({name: net for name, net in networks.items() if name != "avd_network"}, bank, maps, seed)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        detect, paint = self.networks["kp_detector"], self.networks["inpainting_network"]
        source, driving = detect(batch.source), detect(batch.driving)
        background = self.networks["bg_predictor"](batch.source, batch.driving)
        splines = source["fg_kp"].shape[1] // 5
        dropped = batch.uniform[:, :splines] < dropout(batch.progress)
        motion = self.networks["dense_motion_network"](batch.source, driving, source, background, dropped)
        made = paint(batch.source, motion)
        deformation = batch.deformation
        deformed = detect(deformation.image(batch.driving))
        losses = {
            "perceptual": self.pyramid(made["prediction"], batch.driving),
            "points": EQUIVARIANCE * point_equivariance(driving["fg_kp"], deformed["fg_kp"], deformation),
            "warp": WARP * self.warp_loss(made["warped_encoder_maps"], batch.driving, motion["occlusion_map"]),
        }
        if batch.progress >= BACKGROUND_FROM:
            back = self.networks["bg_predictor"](batch.driving, batch.source)
            losses["background"] = BACKGROUND * (background @ back - torch.eye(3, device=back.device)).abs().mean()
        return losses

    def warp_loss(self, moved: list[Tensor], driving: Tensor, occlusion: list[Tensor]) -> Tensor:
        """Moved maps of the source against the driving frame's, where the source is visible; these stay fixed."""
        with torch.no_grad():
            maps = self.networks["inpainting_network"].encode(driving)[::-1]
            wanted = [features * seen for features, seen in zip(maps, occlusion, strict=True)]
        return torch.stack([(a - b).abs().mean() for a, b in zip(moved, wanted, strict=True)]).sum()

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        detect = self.networks["kp_detector"]
        background = self.networks["bg_predictor"](source, driving)
        motion = self.networks["dense_motion_network"](source, detect(driving), detect(source), background)
        return self.networks["inpainting_network"](source, motion)["prediction"]


def dropout(progress: float) -> float:
    """The share of splines left out: the lower bound until DROPOUT_FROM, then linearly to the upper one."""
    low, high = DROPOUT
    return low + (high - low) * max(0.0, progress - DROPOUT_FROM) / (1 - DROPOUT_FROM)
