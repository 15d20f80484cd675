"""MRAA over a clip; see `baselines.blocks.animate`."""

from __future__ import annotations

from torch import Tensor

from baselines.blocks.animate import Animator, Source
from baselines.mraa.regions import Regions, relative


class MRAAAnimator(Animator[Regions]):
    used = ("generator", "bg_predictor", "region_predictor")

    def points(self, images: Tensor) -> Regions:
        return self.modules["region_predictor"](images)

    def source(self, image: Tensor) -> Source[Regions]:
        points, generator = self.points(image), self.modules["generator"]
        if not self.fast:
            return Source(image, points)
        return Source(image, points, generator.pixelwise_flow_predictor.down(image), generator.encode(image))

    def relative(self, source: Regions, driving: Regions, initial: Regions) -> Regions:
        return relative(source, driving, initial)

    def render(self, source: Source[Regions], points: Regions, driving: Tensor | None) -> Tensor:
        generator = self.modules["generator"]
        background = None if driving is None else self.modules["bg_predictor"](source.image, driving)
        if not self.fast:
            return generator(source.image, source.points, points, background)["prediction"]
        flow = generator.pixelwise_flow_predictor.from_small(source.small, points, source.points, background)
        return generator.decode(source.image, source.maps, flow)
