"""The ResNet-18 that reads keypoints and background motion off pictures; keys as torchvision names them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STAGES = 4
BLOCKS = 2


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut, which is projected where size or width change."""

    folds = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(out)) + self.downsample(x))


class ResNet18(nn.Module):
    """(B, channels, H, W) -> (B, out) (He et al., CVPR 2016)."""

    folds = (("conv1", "bn1"),)

    def __init__(self, channels: int, out: int, base: int = 64):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        taken = base
        for stage in range(STAGES):
            given = base * 2**stage
            blocks = [BasicBlock(taken, given, 1 if stage == 0 else 2), BasicBlock(given, given, 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            taken = given
        self.fc = nn.Linear(taken, out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(x))))  # (B, base, H / 4, W / 4)
        for stage in range(STAGES):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.fc(x.mean(dim=(2, 3)))
