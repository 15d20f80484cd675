"""LIA behind the same contract as every other method."""

from __future__ import annotations

from baselines.blocks.rival import KeypointMethod
from baselines.lia.animate import LIAAnimator
from baselines.lia.config import SIZES, build


class Method(KeypointMethod):
    name = "LIA"
    mini_name = "LIA-mini"
    tasks = ("reconstruct",)
    weights = ("lia",)
    official_file = "vox.pt"
    sizes_of = SIZES
    build = staticmethod(build)
    animator = LIAAnimator
