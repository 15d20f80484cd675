"""Perceptual distance on the maps of the frame network of portraits-mini; 1 is that of two different people."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="pd_corpus",
    label="PD-corpus",
    better="lower",
    unit="distance",
    level="frame",
    variant="frame network of portraits-mini, 5 maps at 64 px, 1 = frames of two different people",
    protocol="pd-corpus-v1",
    tasks=("reconstruct", "cross", "talk"),
    tier="bundled",
    network="corpus-perceptual",
    stands_for="lpips",
)
