"""Mouth-opening error against the ground truth of portraits-mini."""

from __future__ import annotations

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.pose_error import mean_error, why_no_truth

UNIT = "mouth-open"


def mouth_error(pair: ClipFeatures) -> float | None:
    """`mean_error` of the mouth's opening; None without ground truth.

    The opening is the weight of the morph `mouth-open`, which is the same for every face that makes the same motion.
    """
    if pair.truth is None:
        return None
    names = [str(name) for name in pair.truth["unit_names"]]
    fake = pair.fake["mouth"]
    return mean_error(pair.real["mouth"], fake, pair.truth["units"][: len(fake), names.index(UNIT)])


METRIC = Metric(
    name="mouth_error",
    label="Mouth error",
    better="lower",
    unit="% of the morph",
    level="clip",
    variant="opening of the mouth; frame network of portraits-mini, less its mean error on the true frames",
    protocol="mouth-corpus-v2",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=mouth_error,
    why_none=why_no_truth,
    shown_scale=100.0,
    digits=2,
)
