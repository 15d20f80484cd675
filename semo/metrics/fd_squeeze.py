"""Frechet distance of SqueezeNet features over all frames of all clips: FID's place where Inception is not at hand."""

from __future__ import annotations

from semo.metrics.base import Metric
from semo.metrics.fid import distance_of_frames

METRIC = Metric(
    name="fd_squeeze",
    label="FD-squeeze",
    better="lower",
    unit="distance",
    level="set",
    variant="SqueezeNet 1.1 (Caffe), 512 pooled features, every frame, ddof 1; no FID",
    protocol="fd-squeezenet1.1-caffe-512",
    tasks=("reconstruct", "talk"),
    tier="compact",
    network="squeezenet",
    stands_for="fid",
    of_set=distance_of_frames,
    digits=1,
    enough=(1000, "frames", "two halves of one real set are 1,305 apart at 420 frames, 1,783 at 32 (size bias)"),
)
