"""Frechet distance on the features of the clip network of portraits-mini: look and motion of 16 frames."""

from __future__ import annotations

from semo.metrics.base import Metric
from semo.metrics.fvd import distance_of_windows

METRIC = Metric(
    name="fd_corpus_clip",
    label="FD-corpus-clip",
    better="lower",
    unit="distance",
    level="set",
    variant="clip network of portraits-mini, 128 features, windows of 16 frames every 8 frames, ddof 0",
    protocol="fd-corpus-clip-v1",
    tasks=("reconstruct", "talk"),
    tier="bundled",
    network="corpus-clip",
    stands_for="fvd",
    of_set=distance_of_windows,
    digits=1,
    enough=(256, "windows", "common_metrics issue 26: fewer than 256 videos say nothing"),
)
