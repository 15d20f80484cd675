"""Lip-sync distance of SyncNet (Chung and Zisserman 2016)."""

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
    tier="reference",
    network="syncnet",
    of_clip=lambda pair: None,
)
