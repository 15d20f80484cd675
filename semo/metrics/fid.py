"""Frechet inception distance: declared so that its columns exist; nothing here computes it."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="fid",
    label="FID",
    better="lower",
    unit="distance",
    level="set",
    variant="Inception 2015-12-05, pool 2048",
    protocol="fid-inception-2015",
    tasks=("reconstruct", "talk"),
    features="inception",
    not_run="network metrics are not part of this run",
    needs="needs Inception",
)
