"""Learned perceptual image patch similarity (Zhang et al. 2018)."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="lpips",
    label="LPIPS",
    better="lower",
    unit="distance",
    level="frame",
    variant="v0.1, AlexNet",
    protocol="lpips-v0.1-alex",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="lpips-alex",
)
