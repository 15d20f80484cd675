"""TPSMM behind the same contract as every other method."""

from __future__ import annotations

from baselines.blocks.rival import KeypointMethod
from baselines.tpsmm.animate import TPSMMAnimator
from baselines.tpsmm.config import SIZES, build


class Method(KeypointMethod):
    name = "TPSMM"
    mini_name = "TPSMM-mini"
    tasks = ("reconstruct",)
    weights = ("tpsmm",)
    official_file = "vox.pth.tar"
    sizes_of = SIZES
    build = staticmethod(build)
    animator = TPSMMAnimator
