"""Expression error: distance of the coefficients with which a 3-D face model shows the two expressions."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import mean_or_none, pairs, why_no_value


def expression_error(pair: ClipFeatures) -> float | None:
    """Mean over frames of the Euclidean distance of `expression` (T, 10), in the model's own units."""
    real, fake = pairs(pair, "expression")
    return mean_or_none(np.linalg.norm(fake - real, axis=1))


METRIC = Metric(
    name="expression_3ddfa",
    label="Expression-3DDFA",
    better="lower",
    unit="1",
    level="clip",
    variant="3DDFA v2, Euclidean distance of 10 expression coefficients (BFM), frames with a face in both",
    protocol="expression-3ddfa-v2-mb05-l2",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=expression_error,
    why_none=why_no_value,
)
