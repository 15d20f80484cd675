"""Head-pose error: how far the generated head is turned from the true one."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import mean_or_none, pairs, why_no_value


def pose_error(pair: ClipFeatures) -> float | None:
    """Mean absolute difference of `pose` (T, 3), yaw, pitch and roll in degrees, over frames and angles; [0, 180]."""
    real, fake = pairs(pair, "pose")
    return mean_or_none(np.abs((fake - real + 180.0) % 360.0 - 180.0))


METRIC = Metric(
    name="head_pose_3ddfa",
    label="Head pose-3DDFA",
    better="lower",
    unit="degrees",
    level="clip",
    variant="3DDFA v2, mean |difference| of yaw, pitch and roll, frames with a face in both",
    protocol="pose-3ddfa-v2-mb05",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=pose_error,
    why_none=why_no_value,
    digits=2,
)
