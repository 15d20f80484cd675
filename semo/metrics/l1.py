"""L1: mean absolute difference on [0, 1]; shown times 1000, because papers print it at that size."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import Metric


def l1_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice -> mean absolute difference per frame on [0, 1], float64 (T, 1)."""
    return (
        np.abs(truth.astype(np.int16) - generated.astype(np.int16)).mean(axis=(1, 2, 3), dtype=np.float64)[:, None]
        / 255.0
    )


METRIC = Metric(
    name="l1",
    label="L1 ×1000",
    better="lower",
    unit="1/1000 of the value range",
    level="frame",
    variant="mean absolute difference on [0, 1] over pixels, channels and frames; stored on [0, 1], shown × 1000",
    protocol="l1-unit-range",
    frames=l1_of_frames,
    shown_scale=1000.0,
    digits=1,
)
