"""Networks, faces, sound and portraits for the tests of SadTalker."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from baselines.inputs.face import Face
from baselines.sadtalker.config import SIZES, Config, build
from tests.unit.perturbed import perturb, ready

RATE = 16000


def networks(config: Config = SIZES["mini"], dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    """Untrained networks whose norms are not the identity and whose keypoints lie within the picture."""
    torch.manual_seed(0)
    modules = build(config)
    perturb(modules)
    return ready(modules, dtype)


def face(frames: int = 1, seed: int = 0) -> Face:
    """A face that looks around, 68 points in frames of 64 px."""
    draw = np.random.default_rng(seed)
    mesh = draw.uniform(16, 48, (1, 68, 3)) + np.sin(np.arange(frames) / 5)[:, None, None]
    expression = np.abs(np.sin(np.arange(frames)[:, None] / 3 + draw.uniform(0, 6, (1, 25))))
    pose = 5 * np.sin(np.arange(frames)[:, None] / 7 + draw.uniform(0, 6, (1, 3)))
    return Face("annotated", (64, 64), *(x.astype(np.float32) for x in (mesh, pose, expression)))


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def portrait(size: tuple[int, int] = (64, 64)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]] / 64
    return np.stack([127 + 120 * np.sin(5 * x + 3 * y + p) for p in (0, 2, 4)], axis=-1).astype(np.uint8)
