"""Learned perceptual image patch similarity (Zhang et al. 2018); most papers mean AlexNet, VGG gives larger numbers."""

from __future__ import annotations

from dataclasses import replace

from semo.metrics.base import Metric

LPIPS = Metric(
    name="lpips",
    label="LPIPS",
    better="lower",
    unit="distance",
    level="frame",
    variant="v0.1, AlexNet",
    protocol="lpips-v0.1-alex",
    tasks=("reconstruct", "talk"),
    tier="reference",
    network="lpips-alex",
)

METRICS = (
    LPIPS,
    replace(
        LPIPS,
        name="lpips_vgg",
        label="LPIPS (VGG)",
        variant="v0.1, VGG-16",
        protocol="lpips-v0.1-vgg",
        tasks=(),
        variant_of="lpips",
        network="lpips-vgg",
    ),
)
