"""Weights of the perceptual distance: every map counts equally, and two different people are 1 apart on average."""

from __future__ import annotations

import numpy as np
import torch

from semo.features.nets.corpus import FrameNet, PerceptualNet, network_input
from semo.features.train.data import AnnotatedClip

PAIRS = 600


def calibrated(frame_net: FrameNet, clips: list[AnnotatedClip], seed: int) -> PerceptualNet:
    """The perceptual network whose weights come from random pairs of frames of different training people."""
    rng = np.random.default_rng(seed)
    net = PerceptualNet(frame_net)
    sums = torch.zeros(len(net.weights))
    for _ in range(PAIRS // 20):
        pairs = [rng.choice(len(clips), 2, replace=False) for _ in range(20)]
        sides = [np.stack([_frame(clips[pair[side]], rng) for pair in pairs]) for side in (0, 1)]
        with torch.inference_mode():
            sums += net.per_map(*(network_input(side) for side in sides)).sum(0)
    net.weights.copy_(PAIRS / sums / len(sums))
    return net


def _frame(clip: AnnotatedClip, rng: np.random.Generator) -> np.ndarray:
    return clip.frames[int(rng.integers(len(clip.frames)))]
