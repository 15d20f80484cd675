"""Cross-identity PSNR: the same PSNR, against the rendering of the source person with the driver's motion."""

from __future__ import annotations

from semo.metrics.base import Metric
from semo.metrics.psnr import psnr_of_frames

METRIC = Metric(
    name="psnr_cross",
    label="PSNR cross",
    better="higher",
    unit="dB",
    level="frame",
    variant="as PSNR; truth = person A rendered with the motion of person B",
    protocol="psnr-frame-mean-cap100",
    tasks=("cross",),
    frames=psnr_of_frames,
    variant_of="psnr",
    digits=2,
)
