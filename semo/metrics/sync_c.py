"""Lip-sync confidence: declared so that its columns exist; nothing here computes it."""

from __future__ import annotations

from semo.metrics.base import Metric

METRIC = Metric(
    name="sync_c",
    label="Sync-C",
    better="higher",
    unit="1",
    level="clip",
    variant="SyncNet v2",
    protocol="sync-syncnet-v2",
    tasks=("talk",),
    features="syncnet",
    not_run="network metrics are not part of this run",
    needs="needs SyncNet",
)
