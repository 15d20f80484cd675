"""L1: mean absolute difference of pixels; papers give it on [0, 1], times 1000, or on 0..255."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semo.metrics.base import Metric


def l1_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice -> mean absolute difference per frame on [0, 1], float64 (T, 1)."""
    return l1_255_of_frames(truth, generated, source) / 255.0


def l1_x1000_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same in thousandths of the value range."""
    return l1_255_of_frames(truth, generated, source) / 0.255


def l1_255_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same on 0..255."""
    import cv2

    sums = [cv2.norm(a, b, cv2.NORM_L1) for a, b in zip(truth, generated, strict=True)]  # of integers: exact
    return np.asarray(sums)[:, None] / truth[0].size


L1 = Metric(
    name="l1",
    label="L1 ×1000",
    better="lower",
    unit="of the value range [0, 1]",
    level="frame",
    variant="mean absolute difference on [0, 1] over pixels, channels and frames; stored on [0, 1], shown × 1000",
    protocol="l1-unit-range",
    frames=l1_of_frames,
    shown_scale=1000.0,
    digits=1,
)

METRICS = (
    L1,
    replace(
        L1,
        name="l1_x1000",
        label="L1 in 1/1000",
        unit="1/1000 of the value range",
        variant="mean absolute difference on [0, 1] over pixels, channels and frames, times 1000",
        protocol="l1-x1000",
        tasks=(),
        variant_of="l1",
        frames=l1_x1000_of_frames,
        shown_scale=1.0,
    ),
    replace(
        L1,
        name="l1_255",
        label="L1 (0..255)",
        unit="grey levels",
        variant="mean absolute difference on 0..255 over pixels, channels and frames",
        protocol="l1-255",
        tasks=(),
        variant_of="l1",
        frames=l1_255_of_frames,
        shown_scale=1.0,
        digits=2,
    ),
)
