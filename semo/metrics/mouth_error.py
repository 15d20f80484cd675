"""Mouth-opening error against the ground truth of portraits-mini."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.pose_error import why_no_truth

UNIT = "mouth-open"


def mouth_error(pair: ClipFeatures) -> float | None:
    """Mean absolute error of the mouth's opening over the generated frames; None without ground truth.

    The opening is the weight of the morph `mouth-open`, which is the same for every face that makes the same motion.
    """
    if pair.truth is None:
        return None
    names = [str(name) for name in pair.truth["unit_names"]]
    found = pair.fake["mouth"]
    opening = pair.truth["units"][: len(found), names.index(UNIT)].astype(np.float64)
    return float(np.abs(found - opening).mean())


METRIC = Metric(
    name="mouth_error",
    label="Mouth error",
    better="lower",
    unit="% of the morph",
    level="clip",
    variant="opening of the mouth; read by the frame network of portraits-mini, compared with the ground truth",
    protocol="mouth-corpus-v1",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=mouth_error,
    why_none=why_no_truth,
    shown_scale=100.0,
    digits=2,
)
