"""Frechet distance on the features of the frame network of portraits-mini, all frames of all clips."""

from __future__ import annotations

from semo.metrics.base import Metric
from semo.metrics.fid import distance_of_frames

METRIC = Metric(
    name="fd_corpus",
    label="FD-corpus",
    better="lower",
    unit="distance",
    level="set",
    variant="frame network of portraits-mini, 128 features, every frame, ddof 1",
    protocol="fd-corpus-v1",
    tasks=("reconstruct", "talk"),
    tier="bundled",
    network="corpus-frame",
    stands_for="fid",
    of_set=distance_of_frames,
    digits=1,
    enough=(1000, "frames", "StableSR issue 105: fewer than 1,000 images say nothing"),
)
