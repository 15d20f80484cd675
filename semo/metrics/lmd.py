"""Landmark distance of the mouth (LMD, Chen et al. 2018)."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import in_both, landmarks, mean_or_none, why_no_value

# the two rings of the lips in MediaPipe's mesh, 20 points each
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191]  # fmt: skip


def mouth_distance(pair: ClipFeatures) -> float | None:
    """Mean Euclidean distance of lip points after both mouths are moved to one centre, which is what Chen et al. do.

    Where the head is therefore does not matter; its size and turn do.
    """
    real, fake = in_both(landmarks(pair.real)[:, LIPS], landmarks(pair.fake)[:, LIPS])
    real, fake = (mouth - mouth.mean(axis=1, keepdims=True) for mouth in (real, fake))
    return mean_or_none(np.linalg.norm(real - fake, axis=2))


METRIC = Metric(
    name="lmd_facemesh",
    label="LMD-facemesh",
    better="lower",
    unit="px of 256",
    level="clip",
    variant="40 lip points of MediaPipe's face mesh, mouths centred, mean Euclidean distance",
    protocol="lmd-facemesh40-centred",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=mouth_distance,
    why_none=why_no_value,
)
