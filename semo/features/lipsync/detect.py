"""S3FD on pictures reduced to a quarter, as SyncNet's pipeline calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from semo.features.lipsync.weights import load
from semo.features.nets.s3fd import MEAN_RGB, S3FD, SMALLEST_SIDE, faces

SCALE, LEAST, OVERLAP = 0.25, 0.9, 0.1
_MOST, _PIXELS = 16, 2**18  # reduced pictures, and their pixels together, that the network sees at once


def batch_of(height: int, width: int) -> int:
    """How many pictures of a size go through the detector together, so that large ones fit into memory."""
    return max(1, min(_MOST, int(_PIXELS / (height * width * SCALE**2))))


class FaceFinder:
    """S3FD with its official weights."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.network, self.device = load(S3FD(), path, device), device

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """Pictures, uint8 (H, W, 3) BGR of one size -> for each its faces, float64 (k, 4) in pixels, best first.

        Upstream stops at pictures under 110 pixels a side, on which the network cannot run; here they hold no face.
        """
        height, width = images[0].shape[:2]
        if round(min(height, width) * SCALE) < SMALLEST_SIDE:
            return [np.zeros((0, 4)) for _ in images]
        small = [cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR) for image in images]
        rgb = np.stack(small)[..., ::-1].astype(np.float32) - np.array(MEAN_RGB, np.float32)
        scores, boxes = self.network(torch.from_numpy(rgb).permute(0, 3, 1, 2).to(self.device))
        return [faces(s, b, width, height, LEAST, OVERLAP) for s, b in zip(scores.cpu().numpy(), boxes.cpu().numpy())]
