"""Head-pose error against the ground truth of portraits-mini, and what the three errors of that kind share."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric


def mean_error(real: np.ndarray, fake: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error of readings (T, ...) of the generated frames against the truth (T, ...).

    What the network reads too high or too low on average over the true frames is taken off: it misreads a person by a
    constant that is as large as the motion, and that says nothing about the method.
    """
    truth = truth.astype(np.float64)
    return float(np.abs(fake - truth - (real - truth).mean(0)).mean())


def pose_error(pair: ClipFeatures) -> float | None:
    """`mean_error` of yaw, pitch and roll in degrees; None without ground truth."""
    if pair.truth is None:
        return None
    fake = pair.fake["pose"]
    return mean_error(pair.real["pose"], fake, pair.truth["pose_deg"][: len(fake)])


def why_no_truth(pair: ClipFeatures) -> str:
    """Why an error against the ground truth has no value."""
    return "the data set gives no ground truth of the motion"


METRIC = Metric(
    name="pose_error",
    label="Pose error",
    better="lower",
    unit="deg",
    level="clip",
    variant="yaw, pitch and roll; frame network of portraits-mini, less its mean error on the true frames",
    protocol="pose-corpus-v2",
    tasks=("reconstruct", "cross"),
    tier="bundled",
    network="corpus-frame",
    of_clip=pose_error,
    why_none=why_no_truth,
    digits=2,
)
