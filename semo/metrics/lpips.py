"""Learned perceptual image patch similarity: declared so that its columns exist; nothing here computes it."""

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
    features="alexnet",
    not_run="network metrics are not part of this run",
    needs="needs AlexNet",
)
