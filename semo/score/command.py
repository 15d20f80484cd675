"""What `semo score` does with its options."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from semo.errors import DatasetError
from semo.features.base import TIERS
from semo.features.cache import FeatureCache
from semo.score.output import aligned, document, table, warnings, write
from semo.score.run import LENGTHS, SOUNDS, Reading, Score, compare, score
from semo.score.selection import default_metrics, named_metrics
from semo.score.videos import Pairing, find_videos, pair_up


@dataclass(frozen=True)
class Request:
    """The options of `semo score`, as `semo score --help` explains them."""

    real: Path
    fake: Path
    metrics: str | None = None
    tier: str | None = None
    size: int | None = None
    length: str = "min"
    audio: str = "auto"
    identity: str | None = None
    against: Path | None = None
    floor: bool = False
    out: Path | None = None
    weights_dir: Path | None = None
    cache: Path | None = None
    no_cache: bool = False
    seed: int = 0
    device: str = "cpu"


def run(request: Request) -> int:
    """Score, print and write; returns the number of pairs that failed. Raises DatasetError on unusable input."""
    _check(request)
    reading = Reading(request.size, request.length, request.audio)
    real = find_videos(request.real, request.identity)
    pairing = pair_up(real, find_videos(request.fake, request.identity))
    _say_unpaired(pairing)
    if request.metrics:
        metrics = named_metrics(request.metrics.split(","))
    else:
        metrics = default_metrics(request.tier, request.weights_dir)
    cache = FeatureCache(None if request.no_cache else request.cache or default_cache())

    def scored(pairs: Pairing, floor: bool) -> Score:
        return score(pairs, metrics, reading, cache, request.weights_dir, request.device, floor, request.seed)

    found = scored(pairing, request.floor)
    if not found.done:
        raise DatasetError(f"none of the {len(found.rows)} pairs could be measured; the first: {found.rows[0].reason}")
    differences = {}
    failed = len(found.failed)
    if request.against:
        other = scored(pair_up(real, find_videos(request.against, request.identity)), False)
        failed += len(other.failed)
        differences = compare(found, other, request.seed)
    rows = table(found, differences)
    print(aligned(rows))
    for sentence in warnings(found):
        print(f"note: {sentence}", file=sys.stderr)
    if found.failed:
        print(f"note: {len(found.failed)} of {len(found.rows)} pairs could not be measured", file=sys.stderr)
    if request.out:
        content = document(found, pairing, reading, differences, request.seed)
        for path in write(request.out, content, found, rows):
            print(f"wrote {path}", file=sys.stderr)
    return failed


def default_cache() -> Path:
    """Where features are kept unless a folder is named: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "semo" / "features"


def _check(request: Request) -> None:
    for option, value, allowed in (
        ("--length", request.length, LENGTHS),
        ("--audio", request.audio, SOUNDS),
        ("--tier", request.tier or TIERS[0], TIERS),
    ):
        if value not in allowed:
            raise DatasetError(f"{option} must be one of {', '.join(allowed)}, not {value!r}")
    if request.out and request.out.suffix != ".json":
        raise DatasetError(f"--out {request.out}: name a .json file; .csv and .md are written beside it")


def _say_unpaired(pairing: Pairing) -> None:
    for side, names in (("true", pairing.only_real), ("generated", pairing.only_fake)):
        if names:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            print(f"note: {len(names)} {side} videos have no partner and are left out: {shown}", file=sys.stderr)
