"""SqueezeNet 1.1 (Iandola et al. 2016), Caffe's weights: what FD-squeeze is measured on. Never called FID."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from semo.features.base import FrameExtractor

MEAN = np.array([104, 117, 123], np.float32)  # blue, green, red
SIDE = 224
LAYER = "onnx_node_output_0!fire9/concat_1"  # the importer's name of the last 512 maps; dropout does nothing after it


class SqueezeNet(FrameExtractor):
    """Mean of the 512 maps before the classifier, (n, 512) >= 0. Through OpenCV: on the CPU whatever the device."""

    name: ClassVar[str] = "squeezenet"
    tier: ClassVar[str] = "compact"
    weights: ClassVar[tuple[str, ...]] = ("squeezenet",)
    protocol: ClassVar[str] = (
        "whole frame to 224x224 (area when shrinking, bilinear when growing), BGR 0..255 minus (104, 117, 123), "
        "fire9 averaged over space"
    )

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        import cv2

        from semo.errors import MediaError

        path = files["squeezenet_fp16_winml.onnx"]
        try:
            self.network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise MediaError(f"{path}: OpenCV cannot read it as a network; fetch it again") from error
        if LAYER not in self.network.getLayerNames():
            raise MediaError(f"{path}: is not SqueezeNet 1.1 as converted from Caffe; fetch it again")

    def frames(self, frames: np.ndarray) -> np.ndarray:
        import cv2

        shrinks = min(frames.shape[1:3]) >= SIDE
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = np.stack([cv2.resize(frame, (SIDE, SIDE), interpolation=way) for frame in frames])
        centred = small[..., ::-1].astype(np.float32) - MEAN
        self.network.setInput(np.ascontiguousarray(centred.transpose(0, 3, 1, 2)))
        maps = self.network.forward(LAYER)  # (n, 512, 13, 13)
        return maps.mean(axis=(2, 3), dtype=np.float64).astype(np.float32)


NETWORKS = (SqueezeNet,)
