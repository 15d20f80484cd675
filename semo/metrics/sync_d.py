"""Lip-sync distance: declared so that its columns exist; nothing here computes it."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="sync_d",
    label="Sync-D",
    better="lower",
    unit="distance",
    level="clip",
    variant="SyncNet v2",
    protocol="sync-syncnet-v2",
    tasks=("talk",),
    features="syncnet",
    not_run="network metrics are not part of this run",
    needs="needs SyncNet",
)
