"""PSNR on moving pixels: full-frame PSNR is dominated by the still background, which copying gets right."""

from __future__ import annotations

import numpy as np

from semo.metrics.base import Metric, decibels, squared_error

THRESHOLD = 0.1


def moving_pixels(truth: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Pixels whose truth differs from the source frame by more than 0.1 in any channel: bool (T, H, W)."""
    difference = np.abs(truth.astype(np.int16) - source.astype(np.int16)[None])
    return (difference > THRESHOLD * 255.0).any(axis=-1)


def moving_error(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Per frame (T, 2): summed squared error over moving pixels, number of values summed."""
    moving = moving_pixels(truth, source)
    error = squared_error(truth, generated).sum(axis=-1)
    return np.stack([(error * moving).sum(axis=(1, 2)), 3.0 * moving.sum(axis=(1, 2))], axis=1)


def pooled_decibels(parts: np.ndarray) -> float | None:
    """dB of the error pooled over all moving pixels of the clip; None where nothing moves."""
    error, count = parts.sum(axis=0)
    return None if count == 0 else float(decibels(np.asarray(error / count)))


METRIC = Metric(
    name="psnr_moving",
    label="PSNR moving",
    better="higher",
    unit="dB",
    level="clip",
    variant="as PSNR on pixels whose truth differs from the source frame by > 0.1; error pooled over the clip",
    protocol="psnr-moving-0.1-pooled",
    frames=moving_error,
    pool=pooled_decibels,
    digits=2,
)
