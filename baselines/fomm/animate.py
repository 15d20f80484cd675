"""FOMM over a clip; see `baselines.blocks.animate`."""

from __future__ import annotations

from torch import Tensor

from baselines.blocks.animate import Animator, Source
from baselines.fomm.keypoints import Keypoints, relative


class FOMMAnimator(Animator[Keypoints]):
    used = ("generator", "kp_detector")

    def points(self, images: Tensor) -> Keypoints:
        return self.modules["kp_detector"](images)

    def source(self, image: Tensor) -> Source[Keypoints]:
        points, generator = self.points(image), self.modules["generator"]
        if not self.fast:
            return Source(image, points)
        return Source(image, points, generator.dense_motion_network.down(image), generator.encode(image))

    def relative(self, source: Keypoints, driving: Keypoints, initial: Keypoints) -> Keypoints:
        return relative(source, driving, initial)

    def render(self, source: Source[Keypoints], points: Keypoints, driving: Tensor | None) -> Tensor:
        generator = self.modules["generator"]
        if not self.fast:
            return generator(source.image, source.points, points)["prediction"]
        motion = generator.dense_motion_network.from_small(source.small, points, source.points)
        return generator.decode(source.maps, motion)
