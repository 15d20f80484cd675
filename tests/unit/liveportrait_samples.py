"""Networks and clips for the tests of LivePortrait, at `mini` size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from baselines.liveportrait.animate import LivePortraitAnimator
from baselines.liveportrait.config import SIZES, Config, build
from baselines.liveportrait.keypoints import Motion
from baselines.method import ClipContext
from tests.unit.perturbed import perturb, ready

CONTEXT = ClipContext("clip", 0)
WITH_RETARGETING = replace(SIZES["mini"], retargeting=True, stitching_hidden=(8,), lip_hidden=(8,), eye_hidden=(8, 8))


def networks(config: Config = SIZES["mini"], dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    """Untrained networks whose keypoints are spread within the picture and whose layers that start at zero are not."""
    torch.manual_seed(0)
    modules = build(config)
    perturb(modules)
    with torch.no_grad():
        heads = modules["motion_extractor"].detector
        for name in ("kp", "exp", "t", "scale"):
            heads.get_submodule(f"fc_{name}").weight.mul_(0.1)
        heads.fc_kp.bias.uniform_(-0.6, 0.6)
        heads.fc_scale.bias.fill_(1)
    return ready(modules, dtype)


def animator(fast: bool = True, config: Config = SIZES["mini"], dtype: torch.dtype = torch.float32
             ) -> LivePortraitAnimator:
    return LivePortraitAnimator(networks(config, dtype), 64, fast)


def predict(modules: dict[str, nn.Module], source: Tensor, driving: Tensor) -> Tensor:
    """The picture of absolute transfer."""
    motions = [Motion.from_raw(modules["motion_extractor"](image)) for image in (source, driving)]
    volume = modules["appearance_feature_extractor"](source)
    warped = modules["warping_module"](volume, motions[0].keypoints(), motions[1].keypoints(motions[0].kp))
    return modules["spade_generator"](warped.out)


def clip(frames: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> list[np.ndarray]:
    """Smooth pictures that move."""
    y, x = np.mgrid[: size[0], : size[1]] / 64
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    return [
        np.stack([127 + 120 * np.sin(5 * x + 3 * y + p + 0.3 * t) for p in phase], axis=-1).astype(np.uint8)
        for t in range(frames)
    ]
