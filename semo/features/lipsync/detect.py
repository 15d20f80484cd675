"""S3FD on pictures reduced to a quarter, as SyncNet's pipeline calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from semo.features.lipsync.weights import load
from semo.features.nets.s3fd import MEAN_RGB, S3FD, SMALLEST_SIDE, faces

SCALE, LEAST, OVERLAP = 0.25, 0.9, 0.1
BATCH = 16


class FaceFinder:
    """S3FD with its official weights."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.network, self.device = load(S3FD(), path, device), device

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """At most BATCH pictures, uint8 (H, W, 3) BGR of one size -> for each its faces (k, 4) in pixels, best first.

        Pictures under 64 pixels a side are too small for the network and hold no face.
        """
        height, width = images[0].shape[:2]
        small = [cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR) for image in images]
        if min(small[0].shape[:2]) < SMALLEST_SIDE:
            return [np.zeros((0, 4)) for _ in images]
        rgb = np.stack(small)[..., ::-1].astype(np.float32) - np.array(MEAN_RGB, np.float32)
        scores, boxes = self.network(torch.from_numpy(rgb).permute(0, 3, 1, 2).to(self.device))
        return [faces(s, b, width, height, LEAST, OVERLAP) for s, b in zip(scores.cpu().numpy(), boxes.cpu().numpy())]
