"""Metrics, found by scanning this package: every module that defines `METRIC` adds one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from semo.metrics.base import Metric, MetricError, check_comparable

__all__ = ["Metric", "MetricError", "all_metrics", "check_comparable", "metric", "metrics_for"]


@cache
def all_metrics() -> dict[str, Metric]:
    """Name -> metric, in alphabetical order."""
    found: dict[str, Metric] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        declared = getattr(importlib.import_module(f"{__name__}.{module}"), "METRIC", None)
        if declared is None:
            continue
        if declared.name in found:
            raise ValueError(f"semo/metrics/{module}.py declares {declared.name!r}, which another module declares too")
        found[declared.name] = declared
    return dict(sorted(found.items()))


def metric(name: str) -> Metric:
    """The metric called `name`; raises KeyError naming the known ones."""
    known = all_metrics()
    if name not in known:
        raise KeyError(f"no metric {name!r}; known: {', '.join(known)}")
    return known[name]


def metrics_for(task: str) -> list[Metric]:
    """Metrics that can be computed now for `task`."""
    return [m for m in all_metrics().values() if task in m.tasks and m.frames is not None]
