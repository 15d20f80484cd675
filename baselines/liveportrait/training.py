"""LivePortrait's recipe as far as frames alone allow: the losses of face-vid2vid, on which the paper builds.

Perceptual pyramid, equivariance of the keypoints in the picture plane, keypoint prior and deformation prior (Wang et
al., CVPR 2021, section 3.2 and appendix). Head pose, landmark guidance, face identity and the adversarial terms of face
and lips need labels or networks trained on real faces; stitching and retargeting are a second training. All are left
out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.liveportrait.config import EYES, LIPS, STITCHING
from baselines.liveportrait.keypoints import Motion
from baselines.training.keypoints3d import DEPTH, keypoint_prior
from baselines.training.perceptual import Maps
from baselines.training.stage import PairBatch, PairStage, optimiser
from baselines.training.transform import point_equivariance
from semo.train.data import FrameBank

EQUIVARIANCE = 20.0
PRIOR = 10.0
DEFORMATION = 5.0


class Training(PairStage):
    name = "liveportrait"
    optimiser = optimiser(lr=2e-3)

    def __init__(self, networks: Mapping[str, nn.Module], bank: FrameBank, maps: Maps, seed: int):
        later = (STITCHING, EYES, LIPS)
        super().__init__({name: net for name, net in networks.items() if name not in later}, bank, maps, seed)
        self.spread_keypoints()

    @torch.no_grad()
    def spread_keypoints(self) -> None:
        """Begin with scale 1 and canonical keypoints all over the face: at scale 0 no keypoint would learn to move."""
        heads = self.networks["motion_extractor"].detector
        nn.init.ones_(heads.fc_scale.bias)
        points = heads.fc_kp.bias.view(-1, 3)
        nn.init.uniform_(points, -0.6, 0.6)
        points[:, 2] += DEPTH

    def motion(self, images: Tensor) -> Motion:
        return Motion.from_raw(self.networks["motion_extractor"](images))

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        source, driving = self.motion(batch.source), self.motion(batch.driving)
        made = self.render(batch.source, source, driving)
        deformation = batch.deformation
        deformed = self.motion(deformation.image(batch.driving)).keypoints()
        own = driving.keypoints()
        return {
            "perceptual": self.pyramid(made, batch.driving),
            "points": EQUIVARIANCE * point_equivariance(own[..., :2], deformed[..., :2], deformation),
            "prior": PRIOR * keypoint_prior(own),
            "deformation": DEFORMATION * driving.exp.abs().mean(),
        }

    def render(self, image: Tensor, source: Motion, driving: Motion) -> Tensor:
        """The source with the driving frame's pose and expression, at the size of the frames."""
        volume = self.networks["appearance_feature_extractor"](image)
        warped = self.networks["warping_module"](volume, source.keypoints(), driving.keypoints(source.kp))
        made = self.networks["spade_generator"](warped.out)
        return made if made.shape == image.shape else F.interpolate(made, size=image.shape[-2:], mode="area")

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.render(source, self.motion(source), self.motion(driving))
