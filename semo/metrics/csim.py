"""Identity similarity (CSIM): cosine of face embeddings.

The field measures it against the source picture or against the true frame of the same time. Here it is the true frame:
pose and light then match, and what is left is identity. To get the similarity to a source picture, give `semo score`
videos that repeat the source as the true ones, as one does for cross-identity reenactment, where no true frame shows
the source person.
"""

from __future__ import annotations

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import mean_or_none, pairs, why_no_value


def identity_similarity(pair: ClipFeatures) -> float | None:
    """Mean of the cosines of `identity` (T, 128), unit length, over frames with a face in both clips; in [-1, 1]."""
    real, fake = pairs(pair, "identity")
    return mean_or_none((real * fake).sum(axis=1))


METRIC = Metric(
    name="csim_mobilefacenet",
    label="CSIM-mobilefacenet",
    better="higher",
    unit="cosine",
    level="clip",
    variant="MobileFaceNet 128-d, generated against true frame of the same time, frames with a face in both",
    protocol="csim-mobilefacenet-frame",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=identity_similarity,
    why_none=why_no_value,
)
