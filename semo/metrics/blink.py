"""Blink rate, from the eye aspect ratio (Soukupova and Cech 2016): how many blinks a minute too many or too few."""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import landmarks

# of each eye in MediaPipe's mesh: corner, two upper points, corner, two lower points
EYES = [[33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380]]
CLOSED = 0.75  # of the clip's own median: eyes differ, and so does how far the mesh follows the lids
SHORTEST, LONGEST = 2, 12  # frames at 25 a second: longer is closed eyes, not a blink
FPS = 25.0


def aspect_ratio(mesh: np.ndarray) -> np.ndarray:
    """Points (T, 468, 2) -> height over width of the eyes' openings, mean of both, (T,)."""
    eyes = mesh[:, EYES]  # (T, 2, 6, 2)
    height = sum(np.linalg.norm(eyes[:, :, up] - eyes[:, :, down], axis=2) for up, down in ((1, 5), (2, 4)))
    width = np.linalg.norm(eyes[:, :, 0] - eyes[:, :, 3], axis=2)
    return (height / np.maximum(2.0 * width, 1e-9)).mean(axis=1)


def blink_rate(clip: Features) -> float | None:
    """Blinks a minute over the frames with a face; None without any."""
    ratio = aspect_ratio(landmarks(clip))
    seen = np.isfinite(ratio)
    if not seen.any():
        return None
    closed = np.concatenate([[False], seen & (ratio < CLOSED * np.median(ratio[seen])), [False]])
    edges = np.flatnonzero(np.diff(closed.astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return float(((lengths >= SHORTEST) & (lengths <= LONGEST)).sum() / (seen.sum() / FPS / 60.0))


def blink_rate_error(pair: ClipFeatures) -> float | None:
    """|rate of the generated clip - rate of the true one|, blinks a minute."""
    rates = blink_rate(pair.real), blink_rate(pair.fake)
    return None if None in rates else abs(rates[1] - rates[0])


METRIC = Metric(
    name="blink_facemesh",
    label="Blink rate-facemesh",
    better="lower",
    unit="blinks/min",
    level="clip",
    variant="|generated - true| rate; eye aspect ratio of MediaPipe's mesh < 0.75 of its median, 2-12 frames",
    protocol="blink-facemesh-ear0.75",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=blink_rate_error,
    digits=1,
)
