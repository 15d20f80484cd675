"""Inception of 2015-12-05 up to its last pool, and the three ways the field resizes frames to its 299 pixels.

The blocks are torch-fidelity's. They are put together here because its own class downloads, unpickles and fixes the
resize; names are those of the released file. The three inputs map uint8 (n, H, W, 3) to float32 (n, 3, 299, 299).
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch_fidelity.feature_extractor_inceptionv3 import (
    BasicConv2d,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE_1,
    InceptionE_2,
)
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

SIDE = 299


def inception() -> nn.Sequential:
    """The network without its classifier: (n, 3, 299, 299) -> (n, 2048)."""
    return nn.Sequential(
        OrderedDict(
            Conv2d_1a_3x3=BasicConv2d(3, 32, kernel_size=3, stride=2),  # 149
            Conv2d_2a_3x3=BasicConv2d(32, 32, kernel_size=3),
            Conv2d_2b_3x3=BasicConv2d(32, 64, kernel_size=3, padding=1),
            MaxPool_1=nn.MaxPool2d(kernel_size=3, stride=2),  # 73
            Conv2d_3b_1x1=BasicConv2d(64, 80, kernel_size=1),
            Conv2d_4a_3x3=BasicConv2d(80, 192, kernel_size=3),
            MaxPool_2=nn.MaxPool2d(kernel_size=3, stride=2),  # 35
            Mixed_5b=InceptionA(192, pool_features=32),
            Mixed_5c=InceptionA(256, pool_features=64),
            Mixed_5d=InceptionA(288, pool_features=64),
            Mixed_6a=InceptionB(288),  # 17
            Mixed_6b=InceptionC(768, channels_7x7=128),
            Mixed_6c=InceptionC(768, channels_7x7=160),
            Mixed_6d=InceptionC(768, channels_7x7=160),
            Mixed_6e=InceptionC(768, channels_7x7=192),
            Mixed_7a=InceptionD(768),  # 8
            Mixed_7b=InceptionE_1(1280),
            Mixed_7c=InceptionE_2(2048),
            AvgPool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
        )
    )


def load(path: Path, device: str) -> nn.Sequential:
    """The network with the released weights, ready to measure. `path` is verified by the registry."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        network = inception()
    network.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")}, assign=True)
    return network.to(device).eval().requires_grad_(False)


def as_pytorch_fid(frames: np.ndarray, device: str) -> Tensor:
    """pytorch-fid: bilinear with half-pixel centres, no antialias, on values in [0, 1]."""
    unit = _planes(frames, device) / 255
    return 2 * F.interpolate(unit, size=(SIDE, SIDE), mode="bilinear", align_corners=False) - 1


def as_clean_fid(frames: np.ndarray, device: str) -> Tensor:
    """clean-fid: Pillow's antialiased bicubic on each channel in float, cut to 0..255 and not rounded."""
    resized = np.empty((len(frames), 3, SIDE, SIDE), np.float32)
    for frame, planes in zip(frames.astype(np.float32), resized):
        for channel, plane in enumerate(planes):
            image = Image.fromarray(np.ascontiguousarray(frame[..., channel]))
            plane[:] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0, 255)
    return (torch.from_numpy(resized).to(device) - 128) / 128


def as_torch_fidelity(frames: np.ndarray, device: str) -> Tensor:
    """torch-fidelity: bilinear as in TensorFlow 1 (corner-aligned origin), no antialias, on values in 0..255."""
    planes = _planes(frames, device)
    return (interpolate_bilinear_2d_like_tensorflow1x(planes, size=(SIDE, SIDE), align_corners=False) - 128) / 128


def _planes(frames: np.ndarray, device: str) -> Tensor:
    return torch.tensor(frames, device=device).permute(0, 3, 1, 2).to(torch.float32)
