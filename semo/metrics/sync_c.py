"""Lip-sync confidence of SyncNet (Chung and Zisserman 2016)."""

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
    tier="reference",
    network="syncnet",
    of_clip=lambda pair: None,
)
