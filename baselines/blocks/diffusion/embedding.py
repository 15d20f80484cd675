"""A portrait as one vector: CLIP's, ArcFace's, or at toy size the mean of a bundled network's deepest map."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.inputs.face import Face
from semo.features.nets.corpus import WIDTHS, FrameNet, load_frame_net
from semo.pictures import to_uint8

BUNDLED_DIM = WIDTHS[-1]
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# where ArcFace's training put left eye, right eye, nose, left and right corner of the mouth, of 112 pixels
ARCFACE_POINTS = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
                           [70.7299, 92.2041]], np.float32)  # fmt: skip
NOSE_AND_CORNERS = {68: (30, 48, 54), 468: (1, 61, 291)}


@cache
def _frame_net() -> FrameNet:
    return load_frame_net()


@torch.no_grad()
def bundled(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, BUNDLED_DIM): stands in for CLIP and ArcFace, without knowing who is who."""
    small = F.interpolate(pictures, size=64, mode="area") if pictures.shape[-1] != 64 else pictures
    return _frame_net().maps(small.cpu())[-1].mean((2, 3)).to(pictures.device)


def clip(folder: Path, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """CLIP ViT-L/14 with its projection, from a transformers folder: pictures (B, 3, H, W) -> (B, 768).

    Raises ValueError where it cannot be loaded.
    """
    from transformers import CLIPVisionModelWithProjection

    try:
        network = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"no CLIP image encoder in {folder.name} ({str(error).splitlines()[0]})") from error
    network = network.eval().requires_grad_(False).to(device)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))

    @torch.no_grad()
    def embed(pictures: Tensor) -> Tensor:
        side = network.config.image_size
        small = F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
        return network((small - mean) / std).image_embeds

    return embed


def arcface(file: Path) -> Callable[[Tensor, Face], Tensor]:
    """InsightFace's ArcFace (glintr100.onnx, for non-commercial research): picture (1, 3, H, W) and face -> (1, 512).

    Raises ValueError where it cannot be loaded.
    """
    try:
        network = cv2.dnn.readNetFromONNX(str(file))
    except cv2.error as error:
        raise ValueError(f"no ArcFace network {file.name} (glintr100.onnx of InsightFace's antelopev2)") from error

    def embed(picture: Tensor, face: Face) -> Tensor:
        matrix, _ = cv2.estimateAffinePartial2D(five_points(face), ARCFACE_POINTS, method=cv2.LMEDS)
        crop = cv2.warpAffine(to_uint8(picture[0]), matrix, (112, 112))
        network.setInput(cv2.dnn.blobFromImage(crop, 1 / 127.5, (112, 112), (127.5,) * 3))  # RGB, in [-1, 1]
        return torch.from_numpy(network.forward().copy()).to(picture.device)

    return embed


def five_points(face: Face) -> np.ndarray:
    """Eyes, nose and corners of the mouth of the first frame, left to right, (5, 2) pixels."""
    mesh, layout = face.mesh[0, :, :2], face.layout
    eyes = [mesh[list(points)].mean(0) for points in (layout.left_eye, layout.right_eye)]
    return np.stack([*eyes, *mesh[list(NOSE_AND_CORNERS[layout.points])]]).astype(np.float32)
