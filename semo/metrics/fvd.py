"""Frechet video distance: declared so that its columns exist; nothing here computes it."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="fvd",
    label="FVD",
    better="lower",
    unit="distance",
    level="set",
    variant="I3D Kinetics-400 logits",
    protocol="fvd-i3d-k400",
    tasks=("reconstruct", "talk"),
    features="i3d",
    not_run="network metrics are not part of this run",
    needs="needs I3D",
)
