"""FOMM's recipe: perceptual pyramid and equivariance of keypoints and of their local affine maps (section 3.4)."""

from __future__ import annotations

from torch import Tensor

from baselines.training.stage import PairBatch, PairStage, optimiser
from baselines.training.transform import jacobian_equivariance, point_equivariance

EQUIVARIANCE = 10.0


class Training(PairStage):
    name = "fomm"
    optimiser = optimiser(lr=2e-3)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        detect = self.networks["kp_detector"]
        source, driving = detect(batch.source), detect(batch.driving)
        made = self.networks["generator"](batch.source, source, driving)["prediction"]
        deformation = batch.deformation
        deformed = detect(deformation.image(batch.driving))
        points = point_equivariance(driving["value"], deformed["value"], deformation)
        affine = jacobian_equivariance(driving["jacobian"], deformed["jacobian"], deformed["value"], deformation)
        return {
            "perceptual": self.pyramid(made, batch.driving),
            "points": EQUIVARIANCE * points,
            "affine": EQUIVARIANCE * affine,
        }

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        detect = self.networks["kp_detector"]
        return self.networks["generator"](source, detect(source), detect(driving))["prediction"]
