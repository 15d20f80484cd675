"""TPSMM over a clip; see `baselines.blocks.animate`."""

from __future__ import annotations

from torch import Tensor

from baselines.blocks.animate import Animator, Source
from baselines.tpsmm.keypoints import Keypoints, relative


class TPSMMAnimator(Animator[Keypoints]):
    used = ("inpainting_network", "dense_motion_network", "kp_detector", "bg_predictor")

    def points(self, images: Tensor) -> Keypoints:
        return self.modules["kp_detector"](images)

    def source(self, image: Tensor) -> Source[Keypoints]:
        points = self.points(image)
        if not self.fast:
            return Source(image, points)
        small = self.modules["dense_motion_network"].down(image)
        return Source(image, points, small, self.modules["inpainting_network"].encode(image))

    def relative(self, source: Keypoints, driving: Keypoints, initial: Keypoints) -> Keypoints:
        return relative(source, driving, initial)

    def render(self, source: Source[Keypoints], points: Keypoints, driving: Tensor | None) -> Tensor:
        dense, painter = self.modules["dense_motion_network"], self.modules["inpainting_network"]
        background = None if driving is None else self.modules["bg_predictor"](source.image, driving)
        if not self.fast:
            return painter(source.image, dense(source.image, points, source.points, background))["prediction"]
        motion = dense.from_small(source.small, points, source.points, background)
        return painter.decode(source.image, source.maps, motion)[0]
