"""SSIM as Wang et al. 2004 define it, and two other definitions in use: each has other windows and other numbers.

With s = x + y and d = x - y, the window means of s, d, s^2 and d^2 hold everything SSIM needs: m(s)^2 -+ m(d)^2 are
4 mx my and 2 (mx^2 + my^2), and the variances of s and d likewise give covariance and sum of variances. Everything is
in float64, channel by channel, in buffers used again for every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from semo.metrics.base import Metric, MetricError

TAPS, SIGMA = 11, 1.5
UNIFORM = 7
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Mean = Callable[[np.ndarray, np.ndarray], np.ndarray]


def ssim_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice, at least 11 pixels a side -> SSIM of Wang 2004 per frame, float64 (T, 1)."""
    _need(truth, TAPS)
    return _mean_ssim(truth, generated, _gaussian_mean, border=TAPS // 2)


def ssim_skimage_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice, at least 7 pixels a side -> scikit-image's default SSIM per frame, float64 (T, 1)."""
    _need(truth, UNIFORM)
    pixels = UNIFORM**2
    # A sample covariance is n / (n - 1) times the plain one: the same as dividing the constant beside it.
    return _mean_ssim(truth, generated, _uniform_mean, border=UNIFORM // 2, c2=C2 * (pixels - 1) / pixels)


def ssim_torchmetrics_of_frames(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """uint8 (T, H, W, 3) twice, at least 6 pixels a side -> torchmetrics' SSIM per frame, float64 (T, 1)."""
    _need(truth, TAPS // 2 + 1)
    return _mean_ssim(truth, generated, _gaussian_mean, border=0)


def _need(truth: np.ndarray, side: int) -> None:
    if min(truth.shape[1:3]) < side:
        raise MetricError(f"SSIM needs frames of at least {side} pixels a side, not {truth.shape[1:3]}")


def _gaussian_mean(plane: np.ndarray, into: np.ndarray) -> np.ndarray:
    import cv2

    kernel = np.exp(-0.5 * ((np.arange(TAPS) - TAPS // 2) / SIGMA) ** 2)
    kernel /= kernel.sum()
    return cv2.sepFilter2D(plane, -1, kernel, kernel, dst=into, borderType=cv2.BORDER_REFLECT_101)


def _uniform_mean(plane: np.ndarray, into: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.boxFilter(plane, -1, (UNIFORM, UNIFORM), dst=into)


def _mean_ssim(truth: np.ndarray, generated: np.ndarray, mean: Mean, border: int, c2: float = C2) -> np.ndarray:
    """Mean over channels and over pixels at least `border` from the edge: (T, 1)."""
    import cv2

    height, width = truth.shape[1:3]
    inner = (slice(border, height - border), slice(border, width - border))
    work = list(np.empty((6, height, width)))
    values = [
        np.mean([_map(x, y, mean, c2, work)[inner].mean() for x, y in zip(cv2.split(a), cv2.split(b))])
        for a, b in zip(truth, generated, strict=True)
    ]
    return np.asarray(values)[:, None]


def _map(x: np.ndarray, y: np.ndarray, mean: Mean, c2: float, work: list[np.ndarray]) -> np.ndarray:
    """uint8 (H, W) twice -> SSIM of the window around every pixel, float64 (H, W), in one of the six buffers."""
    import cv2

    s, d, ms, md, vs, vd = work
    cv2.add(x, y, dst=s, dtype=cv2.CV_64F)
    cv2.subtract(x, y, dst=d, dtype=cv2.CV_64F)
    for plane, average, variance in ((s, ms, vs), (d, md, vd)):
        mean(plane, average)
        np.square(plane, out=plane)
        mean(plane, variance)
        np.square(average, out=average)
        variance -= average
    luminance, contrast = np.subtract(ms, md, out=s), np.subtract(vs, vd, out=d)
    ms += md
    vs += vd
    luminance += 2 * C1
    contrast += 2 * c2
    ms += 2 * C1
    vs += 2 * c2
    luminance *= contrast
    ms *= vs
    luminance /= ms
    return luminance


SSIM = Metric(
    name="ssim",
    label="SSIM",
    better="higher",
    unit="1",
    level="frame",
    variant="Wang 2004: Gaussian 1.5, 11 taps, population covariance, mean over RGB, border cropped",
    protocol="ssim-wang2004-rgb",
    frames=ssim_of_frames,
)

METRICS = (
    SSIM,
    replace(
        SSIM,
        name="ssim_skimage",
        label="SSIM (skimage)",
        variant="scikit-image's default: 7 x 7 uniform, sample covariance, mean over RGB, border cropped",
        protocol="ssim-skimage-rgb",
        tasks=(),
        variant_of="ssim",
        frames=ssim_skimage_of_frames,
    ),
    replace(
        SSIM,
        name="ssim_torchmetrics",
        label="SSIM (torchmetrics)",
        variant="torchmetrics: Gaussian 1.5, 11 taps, population covariance, mean over RGB, border reflected and kept",
        protocol="ssim-torchmetrics-rgb",
        tasks=(),
        variant_of="ssim",
        frames=ssim_torchmetrics_of_frames,
    ),
)
