"""Which metrics a score computes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from semo.errors import DatasetError
from semo.features.base import TIERS
from semo.features.loading import why_absent
from semo.metrics import Metric, all_metrics


def named_metrics(names: Iterable[str]) -> list[Metric]:
    """Metrics by name (`psnr`, `sync_c`) or as printed (`PSNR`, `Sync-C`), in any case. Raises DatasetError."""
    known = {_plain(text): m for m in all_metrics().values() for text in (m.name, m.title)}
    chosen: dict[str, Metric] = {}
    for name in names:
        found = known.get(_plain(name))
        if found is None:
            raise DatasetError(f"no metric {name!r}; known: {', '.join(m.title for m in all_metrics().values())}")
        chosen[found.name] = found
    return list(chosen.values())


def default_metrics(tier: str | None, weights_dir: Path | None) -> list[Metric]:
    """Every pixel metric, and every network metric of `tier` (None: any tier) whose network is here; no variants."""
    tiers = TIERS if tier is None else (tier,)
    usual = [m for m in all_metrics().values() if not m.variant_of and m.tier in ("pixels", *tiers)]
    absent = why_absent({m.network for m in usual if m.network}, weights_dir)
    return [m for m in usual if m.network not in absent]


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
