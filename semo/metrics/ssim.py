"""SSIM as Wang et al. 2004 define it; other windows give other numbers, so the variant is part of the name."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from semo.metrics.base import Metric, MetricError

TAPS = 11


def ssim_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice, at least 11 pixels a side -> SSIM per frame, float64 (T, 1)."""
    if min(truth.shape[1:3]) < TAPS:
        raise MetricError(f"SSIM needs frames of at least {TAPS} pixels a side, not {truth.shape[1:3]}")
    values = [
        structural_similarity(
            a, b, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(truth, generated, strict=True)
    ]
    return np.asarray(values, dtype=np.float64)[:, None]


METRIC = Metric(
    name="ssim",
    label="SSIM",
    better="higher",
    unit="1",
    level="frame",
    variant="Wang 2004: Gaussian 1.5, 11 taps, population covariance, mean over RGB, border cropped",
    protocol="ssim-wang2004-rgb",
    frames=ssim_of_frames,
)
