"""How sure LR-ASD is that the generated face speaks the sound: stands in for Sync-C, whose trend it follows.

Over 62 clips of MoChaBench the logits of these weights had a Spearman correlation of 0.52 with the published Sync-C: a
trend, not a Sync score.
"""

from __future__ import annotations

import numpy as np

from semo.metrics.base import ClipFeatures, Metric


def mean_logit(pair: ClipFeatures) -> float | None:
    """Mean over the frames of the generated clip, `logits` (T,); None without sound or without a face."""
    logits = pair.fake["logits"]
    seen = logits[np.isfinite(logits)]
    return float(seen.mean(dtype=np.float64)) if len(seen) else None


def why_no_logit(pair: ClipFeatures) -> str:
    return "the generated video shows no face" if len(pair.fake["logits"]) else "the generated video has no sound"


METRIC = Metric(
    name="av_lrasd",
    label="AV-lrasd",
    better="higher",
    unit="logit",
    level="clip",
    variant="mean speaking logit of LR-ASD (AVA), segments of 100 frames, generated clip alone; no Sync-C",
    protocol="av-lrasd-ava-100f",
    tasks=("talk",),
    tier="compact",
    network="lrasd",
    stands_for="sync_c",
    of_clip=mean_logit,
    why_none=why_no_logit,
)
