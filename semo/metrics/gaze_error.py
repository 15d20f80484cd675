"""Gaze error against the ground truth of portraits-mini."""

from __future__ import annotations

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.pose_error import mean_error, why_no_truth

CLOSED = 0.5  # lids closed more than this hide where the eyes look


def gaze_error(pair: ClipFeatures) -> float | None:
    """`mean_error` of the eyes' yaw and pitch in the head, in degrees, over frames with open eyes.

    None without ground truth or without a frame whose eyes are open.
    """
    if pair.truth is None:
        return None
    seen = pair.truth["blink"][: len(pair.fake["gaze"])] < CLOSED
    if not seen.any():
        return None
    truth = pair.truth["gaze_deg"][: len(seen)]
    return mean_error(pair.real["gaze"][seen], pair.fake["gaze"][seen], truth[seen])


def why_no_gaze(pair: ClipFeatures) -> str:
    """Why there is no gaze error."""
    return why_no_truth(pair) if pair.truth is None else "the eyes are closed in every frame"


METRIC = Metric(
    name="gaze_error",
    label="Gaze error",
    better="lower",
    unit="deg",
    level="clip",
    variant="yaw and pitch, open eyes; frame network of portraits-mini, less its mean error on the true frames",
    protocol="gaze-corpus-v2",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=gaze_error,
    why_none=why_no_gaze,
    digits=2,
)
