"""I3D trained on Kinetics-400, as the TorchScript file of StyleGAN-V holds it: the features of FVD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from semo.features.base import WindowExtractor

FILE = "i3d_torchscript.pt"
LOGITS = 400


class I3D(WindowExtractor):
    """Windows of 16 frames -> 400 logits averaged over time.

    The file scales 0..255 to [-1, 1] and squashes to 224 x 224 (bilinear) itself. Loading it runs code it holds, so
    `files` must be verified: the registry does that.
    """

    name = "i3d"
    tier = "reference"
    weights = ("i3d-kinetics-400",)
    protocol = (
        "16 consecutive frames from every 16th on, RGB 0..255 in float32; rescale=True, resize=True (squashed to "
        "224 px), return_features=True: 400 logits (StyleGAN-V)"
    )
    length = 16
    stride = 16

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        import torch

        self.device = device
        self.network = torch.jit.load(str(files[FILE]), map_location=device).eval()

    def windows(self, windows: np.ndarray) -> np.ndarray:
        """uint8 (n, 16, H, W, 3) -> float32 (n, 400). Raises ValueError where the file gives anything else."""
        import torch

        video = torch.tensor(windows, device=self.device).permute(0, 4, 1, 2, 3).to(torch.float32)  # (n, 3, 16, H, W)
        # Optimised execution would compute the first windows by another graph than those after its profiling.
        with torch.no_grad(), torch.jit.optimized_execution(False):
            logits = self.network(video.contiguous(), rescale=True, resize=True, return_features=True)
        if logits.shape != (len(windows), LOGITS):
            raise ValueError(
                f"{FILE} gives features of shape {tuple(logits.shape)} for {len(windows)} windows, not "
                f"{(len(windows), LOGITS)}: it is not the I3D of StyleGAN-V"
            )
        return logits.float().cpu().numpy()


NETWORKS = (I3D,)
