"""LivePortrait's motion extractor M: canonical keypoints, head pose, expression, scale and translation of a frame."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from baselines.liveportrait.convnextv2 import ConvNeXtV2

ANGLES = ("pitch", "yaw", "roll")


class Detector(ConvNeXtV2):
    """The trunk with one linear head per quantity."""

    def __init__(self, depths: Sequence[int], dims: Sequence[int], keypoints: int, bins: int):
        super().__init__(depths, dims)
        outputs = {"kp": 3 * keypoints, "scale": 1} | dict.fromkeys(ANGLES, bins) | {"t": 3, "exp": 3 * keypoints}
        self.heads = tuple(outputs)
        for name, size in outputs.items():
            self.add_module(f"fc_{name}", nn.Linear(dims[-1], size))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.features(image)
        return {name: self.get_submodule(f"fc_{name}")(x) for name in self.heads}


class MotionExtractor(nn.Module):
    """(B, 3, S, S) in [0, 1] -> `kp`, `exp` (B, 3 K), `scale` (B, 1), `t` (B, 3), `pitch`, `yaw`, `roll` (B, bins)."""

    def __init__(self, depths: Sequence[int], dims: Sequence[int], keypoints: int, bins: int):
        super().__init__()
        self.detector = Detector(depths, dims, keypoints, bins)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return self.detector(image)
