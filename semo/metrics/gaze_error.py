"""Gaze error against the ground truth of portraits-mini."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.pose_error import why_no_truth

CLOSED = 0.5  # lids closed more than this hide where the eyes look


def gaze_error(pair: ClipFeatures) -> float | None:
    """Mean absolute error of the eyes' yaw and pitch in the head, in degrees, over frames with open eyes.

    None without ground truth or without a frame whose eyes are open.
    """
    if pair.truth is None:
        return None
    found = pair.fake["gaze"]
    open_eyes = pair.truth["blink"][: len(found)] < CLOSED
    error = np.abs(found - pair.truth["gaze_deg"][: len(found)].astype(np.float64))
    return float(error[open_eyes].mean()) if open_eyes.any() else None


def why_no_gaze(pair: ClipFeatures) -> str:
    """Why there is no gaze error."""
    return why_no_truth(pair) if pair.truth is None else "the eyes are closed in every frame"


METRIC = Metric(
    name="gaze_error",
    label="Gaze error",
    better="lower",
    unit="deg",
    level="clip",
    variant="mean of yaw and pitch, open eyes; read by the frame network of portraits-mini, compared with the truth",
    protocol="gaze-corpus-v1",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=gaze_error,
    why_none=why_no_gaze,
    digits=2,
)
