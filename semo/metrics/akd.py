"""Average keypoint distance (AKD, Siarohin et al. 2019), and the share of frames it cannot see (MKR there)."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import in_both, landmarks, mean_or_none, why_no_value


def keypoint_distance(pair: ClipFeatures) -> float | None:
    """Mean absolute difference over frames, points and both axes, as pose-evaluation: half to 0.7 of the Euclidean."""
    real, fake = in_both(landmarks(pair.real), landmarks(pair.fake))
    return mean_or_none(np.abs(real - fake))


def missing_faces(pair: ClipFeatures) -> float | None:
    """Of the frames whose truth shows a face, the share whose generated frame shows none; [0, 1]."""
    real, fake = (np.isfinite(clip["boxes"][:, 0]) for clip in (pair.real, pair.fake))
    return mean_or_none(~fake[real])


METRICS = (
    Metric(
        name="akd_facemesh",
        label="AKD-facemesh",
        better="lower",
        unit="px of 256",
        level="clip",
        variant="468 points of MediaPipe's face mesh, mean |difference| over points and axes, faces in both",
        protocol="akd-facemesh468-l1",
        tasks=(),
        tier="compact",
        network="faces",
        of_clip=keypoint_distance,
        why_none=why_no_value,
        digits=2,
    ),
    Metric(
        name="missing_yunet",
        label="Missing faces-yunet",
        better="lower",
        unit="share of frames",
        level="clip",
        variant="frames without a face (YuNet and face mesh) among those whose truth shows one",
        protocol="missing-yunet",
        tasks=(),
        tier="compact",
        network="faces",
        of_clip=missing_faces,
        why_none=why_no_value,
    ),
)
