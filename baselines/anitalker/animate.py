"""AniTalker's renderer over a clip, driven by frames (`baselines.blocks.animate`) or by motion codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from baselines.anitalker.folded import FoldedRenderer
from baselines.blocks.animate import Animator, Source, fit
from semo.pictures import to_uint8

Points = Mapping[str, Tensor]  # `alpha` (B, motion_dim): magnitudes along the directions
PIXELS = 1 << 16  # of the frames made at once on a CPU; more leave its caches


class AniTalkerAnimator(Animator[Points]):
    used = ("lia",)

    def __init__(self, modules: Mapping[str, nn.Module], frame_size: int, fast: bool = True):
        super().__init__(modules, frame_size, fast)
        if fast and self.device.type == "cpu":
            self.batch = max(1, PIXELS // frame_size**2)

    def accelerated(self, name: str, module: nn.Module) -> nn.Module:
        return FoldedRenderer(module)

    def points(self, images: Tensor) -> Points:
        return {"alpha": self.modules["lia"].enc.motion(2 * images - 1)}

    def source(self, image: Tensor) -> Source[Points]:
        encoder = self.modules["lia"].enc
        code, features = encoder.net_app(2 * image - 1) if not self.fast else encoder(2 * image - 1)
        return Source(image, {"alpha": encoder.motion_of(code)}, code, features)

    def relative(self, source: Points, driving: Points, initial: Points) -> Points:
        """Directions add up linearly, so their magnitudes do."""
        return {"alpha": driving["alpha"] - initial["alpha"] + source["alpha"]}

    def render(self, source: Source[Points], points: Points, driving: Tensor | None) -> Tensor:
        decoder = self.modules["lia"].dec
        made = decoder(source.small + decoder.direction(points["alpha"]), source.maps)
        return (((made if self.fast else made.image) + 1) / 2).clamp(0, 1)

    def moved(self, source: Source[Points], motion: Tensor, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Motion codes (T, motion_dim) -> as many uint8 frames of `size` = (height, width), lazily."""
        for part in motion.split(self.batch):
            with torch.inference_mode():
                made = to_uint8(self.render(source, {"alpha": part}, None))
            for frame in made:
                yield fit(frame, size)
