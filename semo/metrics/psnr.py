"""PSNR: mean over frames of per-frame decibels, at most 100 dB."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import Metric, decibels


def psnr_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice -> dB per frame, float64 (T, 1)."""
    import cv2

    sums = [cv2.norm(a, b, cv2.NORM_L2SQR) for a, b in zip(truth, generated, strict=True)]  # of integers: exact
    return decibels(np.asarray(sums)[:, None] / (truth[0].size * 255.0**2))


METRIC = Metric(
    name="psnr",
    label="PSNR",
    better="higher",
    unit="dB",
    level="frame",
    variant="RGB, peak 1, mean of per-frame dB, cap 100 dB",
    protocol="psnr-frame-mean-cap100",
    tasks=("reconstruct", "talk"),
    frames=psnr_of_frames,
    digits=2,
)
