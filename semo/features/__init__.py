"""Networks, found by scanning this package: every module that defines `NETWORKS` adds those classes."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from semo.features.base import TIERS, Extractor, Features, Network, PairedNetwork, Session

__all__ = ["Extractor", "Features", "Network", "PairedNetwork", "Session", "all_networks", "network"]


@cache
def all_networks() -> dict[str, type[Network]]:
    """Name -> class, in alphabetical order; nothing is loaded."""
    found: dict[str, type[Network]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for kind in getattr(importlib.import_module(f"{__name__}.{module}"), "NETWORKS", ()):
            if kind.name in found:
                raise ValueError(f"semo/features/{module}.py declares {kind.name!r}, which another module does too")
            if kind.tier not in TIERS:
                raise ValueError(f"semo/features/{module}.py: tier of {kind.name!r} must be one of {TIERS}")
            found[kind.name] = kind
    return dict(sorted(found.items()))


def network(name: str) -> type[Network]:
    """The class called `name`; raises KeyError naming the known ones."""
    known = all_networks()
    if name not in known:
        raise KeyError(f"no network {name!r}; known: {', '.join(known)}")
    return known[name]
