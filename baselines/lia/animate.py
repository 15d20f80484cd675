"""LIA over a clip; see `baselines.blocks.animate`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from baselines.blocks.animate import Animator, Source
from baselines.lia.folded import FoldedGenerator

Points = Mapping[str, Tensor]  # `alpha` (B, motion_dim): magnitudes along the directions; of plain sources `image`
PIXELS = 1 << 16  # of the frames made at once on a CPU; more leave its caches


class LIAAnimator(Animator[Points]):
    used = ("gen",)

    def __init__(self, modules: Mapping[str, nn.Module], frame_size: int, fast: bool = True):
        super().__init__(modules, frame_size, fast)
        if fast and self.device.type == "cpu":
            self.batch = max(1, PIXELS // frame_size**2)

    def accelerated(self, name: str, module: nn.Module) -> nn.Module:
        return FoldedGenerator(module)

    def points(self, images: Tensor) -> Points:
        return {"alpha": self.modules["gen"].enc.motion(2 * images - 1)}

    def source(self, image: Tensor) -> Source[Points]:
        if not self.fast:
            return Source(image, {"image": image})
        encoder = self.modules["gen"].enc
        code, features = encoder(2 * image - 1)
        return Source(image, {"alpha": encoder.fc(code)}, code, features)

    def relative(self, source: Points, driving: Points, initial: Points) -> Points:
        """Directions add up linearly, so their magnitudes do."""
        own = source if "alpha" in source else self.points(source["image"])
        return {"alpha": driving["alpha"] - initial["alpha"] + own["alpha"]}

    def render(self, source: Source[Points], points: Points, driving: Tensor | None) -> Tensor:
        decoder = self.modules["gen"].dec
        moved = decoder.direction(points["alpha"])
        if self.fast:
            image = decoder(source.small + moved, source.maps)
        else:
            code, features = self.modules["gen"].enc.net_app(2 * source.image - 1)
            image = decoder(code + moved, features).image
        return ((image + 1) / 2).clamp(0, 1)
