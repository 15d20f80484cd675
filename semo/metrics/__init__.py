"""Metrics, found by scanning this package: every module that defines `METRIC`, or several `METRICS`, adds them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from semo.metrics.base import Metric, MetricError, check_comparable

__all__ = ["Metric", "MetricError", "all_metrics", "check_comparable", "in_tier", "metric", "metrics_for"]


@cache
def all_metrics() -> dict[str, Metric]:
    """Name -> metric, in alphabetical order."""
    found: dict[str, Metric] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        content = vars(importlib.import_module(f"{__name__}.{module}"))
        for declared in content.get("METRICS", [content["METRIC"]] if "METRIC" in content else []):
            if declared.name in found:
                raise ValueError(f"semo/metrics/{module}.py declares {declared.name!r}, which another module does too")
            found[declared.name] = declared
    return dict(sorted(found.items()))


def metric(name: str) -> Metric:
    """The metric called `name`; raises KeyError naming the known ones."""
    known = all_metrics()
    if name not in known:
        raise KeyError(f"no metric {name!r}; known: {', '.join(known)}")
    return known[name]


def metrics_for(task: str, tier: str) -> list[Metric]:
    """Metrics of `task` that need no network, or a network of the tier."""
    return [m for m in all_metrics().values() if task in m.tasks and m.tier in ("pixels", tier)]


def in_tier(name: str, tier: str) -> Metric | None:
    """The metric that fills the column `name` at a tier: itself, or the tier's stand-in under its own name."""
    found = metric(name)
    if found.tier in ("pixels", tier):
        return found
    return next((m for m in all_metrics().values() if m.stands_for == name and m.tier == tier), None)
