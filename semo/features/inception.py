"""Inception features for FID and KID: one network, three names for the three resizes that give three numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from semo.features.base import FrameExtractor

FILE = "pt_inception-2015-12-05-6726825d.pth"


class _Inception(FrameExtractor):
    """The 2048 pooled features of Inception 2015-12-05; `resize` names a function of semo.features.nets.inception."""

    tier = "reference"
    weights = ("inception-2015-12-05",)
    resize: ClassVar[str]

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.nets import inception

        self.device = device
        self.prepare = getattr(inception, self.resize)
        self.network = inception.load(files[FILE], device)

    def frames(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, H, W, 3) -> float32 (n, 2048)."""
        import torch

        with torch.inference_mode():
            return self.network(self.prepare(frames, self.device)).cpu().numpy()


class InceptionPytorchFid(_Inception):
    name = "inception-pytorch-fid"
    protocol = "bilinear to 299 px on [0, 1], half-pixel centres, no antialias; 2x - 1; pool 2048 (pytorch-fid)"
    resize = "as_pytorch_fid"


class InceptionCleanFid(_Inception):
    name = "inception-clean-fid"
    protocol = (
        "Pillow bicubic to 299 px with antialias, each channel in float32, clipped to 0..255, not rounded; "
        "(x - 128) / 128; pool 2048 (clean-fid)"
    )
    resize = "as_clean_fid"


class InceptionTorchFidelity(_Inception):
    name = "inception-torch-fidelity"
    protocol = "bilinear of TensorFlow 1 to 299 px on 0..255, no antialias; (x - 128) / 128; pool 2048 (torch-fidelity)"
    resize = "as_torch_fidelity"


NETWORKS = (InceptionPytorchFid, InceptionCleanFid, InceptionTorchFidelity)
