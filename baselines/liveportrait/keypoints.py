"""From the motion extractor's outputs to implicit keypoints (LivePortrait, equations 2 and 3; upstream camera.py).

Points are rows: x = scale * (canonical @ R + expression) + (t_x, t_y, 0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from baselines.blocks.vid2vid.angles import degrees, rotations
from baselines.liveportrait.motion import ANGLES

DEGREES_PER_BIN, DEGREE_OFFSET = 3.0, -97.5


def rotation(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """Angles (B,) in degrees -> (Rz(roll) Ry(yaw) Rx(pitch))^T (B, 3, 3), to be multiplied from the right."""
    about_x, about_y, about_z = rotations(*(angle / 180 * math.pi for angle in (pitch, yaw, roll)))
    return (about_z @ about_y @ about_x).transpose(1, 2)


@dataclass(frozen=True)
class Motion:
    """Canonical keypoints `kp` and expression `exp` (B, K, 3), rotation (B, 3, 3), `scale` (B, 1), `t` (B, 3)."""

    kp: Tensor
    exp: Tensor
    rotation: Tensor
    scale: Tensor
    t: Tensor

    @classmethod
    def from_raw(cls, raw: Mapping[str, Tensor], per_bin: float = DEGREES_PER_BIN, offset: float = DEGREE_OFFSET
                 ) -> Motion:
        """From the outputs of the motion extractor."""
        turned = rotation(*(degrees(raw[angle], per_bin, offset) for angle in ANGLES))
        return cls(raw["kp"].unflatten(1, (-1, 3)), raw["exp"].unflatten(1, (-1, 3)), turned, raw["scale"], raw["t"])

    def keypoints(self, canonical: Tensor | None = None) -> Tensor:
        """(B, K, 3); `canonical` (1 or B, K, 3) are another face's points under this motion (absolute transfer)."""
        return place(self.kp if canonical is None else canonical, self.rotation, self.exp, self.scale, self.t)


def place(kp: Tensor, turned: Tensor, exp: Tensor, scale: Tensor, t: Tensor) -> Tensor:
    """scale * (kp @ R + exp) + (t_x, t_y, 0): (B, K, 3)."""
    shift = t * t.new_tensor([1.0, 1.0, 0.0])
    return scale[:, None] * (kp @ turned + exp) + shift[:, None]


def relative_keypoints(source: Motion, driving: Motion, initial: Motion) -> Tensor:
    """The source moved by what changed from the `initial` to the `driving` frame: (B, K, 3)."""
    turned = (driving.rotation @ initial.rotation.transpose(1, 2)) @ source.rotation
    exp = source.exp + (driving.exp - initial.exp)
    scale = source.scale * (driving.scale / initial.scale)
    return place(source.kp, turned, exp, scale, source.t + (driving.t - initial.t))
