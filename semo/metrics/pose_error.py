"""Head-pose error against the ground truth of portraits-mini."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric


def pose_error(pair: ClipFeatures) -> float | None:
    """Mean absolute error of yaw, pitch and roll in degrees over the generated frames; None without ground truth."""
    if pair.truth is None:
        return None
    found = pair.fake["pose"]
    return float(np.abs(found - pair.truth["pose_deg"][: len(found)].astype(np.float64)).mean())


def why_no_truth(pair: ClipFeatures) -> str:
    """Why an error against the ground truth has no value."""
    return "the data set gives no ground truth of the motion"


METRIC = Metric(
    name="pose_error",
    label="Pose error",
    better="lower",
    unit="deg",
    level="clip",
    variant="mean of yaw, pitch, roll; read by the frame network of portraits-mini, compared with the ground truth",
    protocol="pose-corpus-v1",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=pose_error,
    why_none=why_no_truth,
    digits=2,
)
