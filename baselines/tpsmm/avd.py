"""Animation via disentanglement on the control points: shape from the source, pose from the driving frame."""

from __future__ import annotations

from baselines.blocks.avd import Disentangler
from baselines.tpsmm.config import POINTS, TPSMMConfig
from baselines.tpsmm.keypoints import Keypoints


class AVDNetwork(Disentangler):
    """Points of source and driving frame -> points of the source in the driving pose.

    Not the identity where both are the same frame: for transfer between people, not for reconstruction.
    """

    def __init__(self, config: TPSMMConfig):
        super().__init__(2 * POINTS * config.splines, config.avd_identity, config.avd_pose)

    def forward(self, source: Keypoints, driving: Keypoints) -> Keypoints:
        made = self.disentangle(source["fg_kp"].flatten(1), driving["fg_kp"].flatten(1))
        return {"fg_kp": made.unflatten(1, (-1, 2))}
