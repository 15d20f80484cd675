"""FOMM behind the same contract as every other method."""

from __future__ import annotations

from baselines.blocks.rival import KeypointMethod
from baselines.fomm.animate import FOMMAnimator
from baselines.fomm.config import SIZES, build


class Method(KeypointMethod):
    name = "FOMM"
    mini_name = "FOMM-mini"
    tasks = ("reconstruct",)
    weights = ("fomm",)
    official_file = "vox-cpk.pth.tar"
    sizes_of = SIZES
    build = staticmethod(build)
    animator = FOMMAnimator
