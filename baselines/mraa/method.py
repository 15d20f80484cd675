"""MRAA behind the same contract as every other method."""

from __future__ import annotations

from baselines.blocks.rival import KeypointMethod
from baselines.mraa.animate import MRAAAnimator
from baselines.mraa.config import SIZES, build


class Method(KeypointMethod):
    name = "MRAA"
    mini_name = "MRAA-mini"
    tasks = ("reconstruct",)
    weights = ("mraa",)
    official_file = "vox256.pth"
    sizes_of = SIZES
    build = staticmethod(build)
    animator = MRAAAnimator
