"""3DDFA v2 (Guo et al. 2020), its MobileNet of half width: face crop -> pose, shape and expression of a 3-D face."""

from __future__ import annotations

import pickletools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semo.errors import MediaError

SIDE = 120
PARAMETERS = 62  # pose 12, shape 40, expression 10
# name -> (output channels, stride): MobileNet v1 (Howard et al. 2017) with half the channels
BLOCKS = {
    "dw2_1": (32, 1), "dw2_2": (64, 2), "dw3_1": (64, 1), "dw3_2": (128, 2), "dw4_1": (128, 1), "dw4_2": (256, 2),
    "dw5_1": (256, 1), "dw5_2": (256, 1), "dw5_3": (256, 1), "dw5_4": (256, 1), "dw5_5": (256, 1), "dw5_6": (512, 2),
    "dw6": (512, 1),
}  # fmt: skip


class DepthwiseBlock(nn.Module):
    """A 3x3 convolution per channel, then a 1x1 across channels; each normalised and rectified."""

    def __init__(self, inp: int, out: int, stride: int):
        super().__init__()
        self.conv_dw = nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False)
        self.bn_dw = nn.BatchNorm2d(inp)
        self.conv_sep = nn.Conv2d(inp, out, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn_sep(self.conv_sep(torch.relu(self.bn_dw(self.conv_dw(x))))))


class TDDFA(nn.Module):
    """(n, 3, 120, 120) BGR, (value - 127.5) / 128 -> 62 whitened parameters (n, 62)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inp = 16
        for name, (out, stride) in BLOCKS.items():
            self.add_module(name, DepthwiseBlock(inp, out, stride))
            inp = out
        self.fc_param = nn.Linear(inp, PARAMETERS)
        self.fc_lm = nn.Linear(inp, 136)  # 68 points, a task of training only

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))  # (n, 16, 60, 60)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        return self.fc_param(x.mean((2, 3)))


def read_whitening(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the parameters, float32 (62,) each, from configs/param_mean_std_62d_120x120.pkl.

    Upstream keeps them as a pickle. It is not unpickled: its opcodes are listed, and of the two numpy arrays in it,
    mean first, only the bytes are taken. Raises MediaError for another file.
    """
    try:
        steps = list(pickletools.genops(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be read as the mean and deviation of 3DDFA's parameters") from error
    blocks = [argument for _, argument, _ in steps if isinstance(argument, bytes)]
    values = [np.frombuffer(block, "<f4") for block in blocks if len(block) == 4 * PARAMETERS]
    if len(values) != 2:
        raise MediaError(f"{path}: holds no two arrays of {PARAMETERS} numbers; fetch it again")
    return values[0].copy(), values[1].copy()


def euler_angles(pose: np.ndarray) -> np.ndarray:
    """Pose parameters (n, 12), a scaled 3x4 camera matrix by rows -> yaw, pitch, roll in degrees (n, 3).

    The first two rows without scale are those of the rotation, the third is their cross product; angles as in the
    original (Slabaugh 1999). NaN rows stay NaN.
    """
    first, second = pose[:, 0:3], pose[:, 4:7]
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    second = second / np.linalg.norm(second, axis=1, keepdims=True)
    third = np.cross(first, second)
    yaw = np.arcsin(np.clip(third[:, 0], -1.0, 1.0))
    pitch = np.arctan2(third[:, 1], third[:, 2])
    roll = np.arctan2(second[:, 0], first[:, 0])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))
