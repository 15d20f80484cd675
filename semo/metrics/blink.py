"""Blink rate: how many blinks a minute too many or too few.

The field counts dips of the eye aspect ratio (Soukupova and Cech 2016). MediaPipe's mesh hardly closes its eyes, so the
dips counted here are those of how dark the irises are beside the skin, at the places where the mesh sees the eyes.
"""

from __future__ import annotations

import numpy as np

from semo.features.base import Features
from semo.metrics.base import ClipFeatures, Metric
from semo.metrics.face_frames import why_no_value

OPEN = 80  # percentile of the clip's openness that counts as open
SHUT, LEFT = 0.5, 0.75  # a blink falls under SHUT of it and lasts while under LEFT
LONGEST = 15  # frames at 25 a second: longer is closed eyes, or a look down
FPS = 25.0


def blink_rate(clip: Features) -> float | None:
    """Blinks a minute over the frames with a face, from `openness` (T,); None without any."""
    openness = clip["openness"].astype(np.float64)
    seen = np.isfinite(openness)
    if not seen.any():
        return None
    level = np.where(seen, openness, np.inf) / max(np.percentile(openness[seen], OPEN), 1e-6)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], level < LEFT, [0]])))
    dips = zip(edges[::2], edges[1::2], strict=True)
    blinks = sum(end - start <= LONGEST and level[start:end].min() < SHUT for start, end in dips)
    return float(blinks / (seen.sum() / FPS / 60.0))


def blink_rate_error(pair: ClipFeatures) -> float | None:
    """|rate of the generated clip - rate of the true one|, blinks a minute."""
    real, fake = blink_rate(pair.real), blink_rate(pair.fake)
    return None if real is None or fake is None else abs(fake - real)


METRIC = Metric(
    name="blink_facemesh",
    label="Blink rate-facemesh",
    better="lower",
    unit="blinks/min",
    level="clip",
    variant="|generated - true| rate; darkness of the irises, placed by MediaPipe's mesh, under half of open, <= 0.6 s",
    protocol="blink-facemesh-iris0.5",
    tasks=(),
    tier="compact",
    network="faces",
    of_clip=blink_rate_error,
    why_none=why_no_value,
    digits=1,
)
