"""Frechet inception distance (Heusel et al. 2017) over all frames of all clips; the resize names the variant."""

from __future__ import annotations

from dataclasses import replace

from semo.frechet import FrechetOfClips
from semo.metrics.base import Metric

distance_of_frames = FrechetOfClips("frames", ddof=1)

FID = Metric(
    name="fid",
    label="FID",
    better="lower",
    unit="distance",
    level="set",
    variant="Inception 2015-12-05, pool 2048, every frame, pytorch-fid's resize, ddof 1",
    protocol="fid-pytorch-fid",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="inception-pytorch-fid",
    of_set=distance_of_frames,
    digits=2,
    enough=(1000, "frames", "StableSR issue 105: fewer than 1,000 images say nothing"),
)

METRICS = (
    FID,
    replace(
        FID,
        name="fid_clean",
        label="FID (clean-fid)",
        variant="Inception 2015-12-05, pool 2048, every frame, clean-fid's resize, ddof 1",
        protocol="fid-clean-fid",
        tasks=(),
        variant_of="fid",
        network="inception-clean-fid",
    ),
    replace(
        FID,
        name="fid_torch_fidelity",
        label="FID (torch-fidelity)",
        variant="Inception 2015-12-05, pool 2048, every frame, torch-fidelity's resize, ddof 1",
        protocol="fid-torch-fidelity",
        tasks=(),
        variant_of="fid",
        network="inception-torch-fidelity",
    ),
)
