"""3DMM coefficients of a face picture: the ResNet-50 of Deep3DFaceReconstruction (Deng et al., CVPRW 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import semo  # noqa: F401  lets torchvision be imported beside every build of torch

SIZES = (80, 64, 80, 3, 27, 2, 1)  # identity, expression, texture, angles, lighting, translation in the plane, depth
EXPRESSION, ANGLES, TRANSLATION = slice(80, 144), slice(224, 227), slice(254, 257)
SIDE = 224  # pixels


class FaceRecon(nn.Module):
    """(B, 3, 224, 224) in [0, 1] -> coefficients (B, 257)."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet50

        self.backbone = resnet50()
        features = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.final_layers = nn.ModuleList(nn.Conv2d(features, size, 1) for size in SIZES)

    def forward(self, image: Tensor) -> Tensor:
        x = self.backbone(image)[:, :, None, None]
        return torch.cat([layer(x) for layer in self.final_layers], dim=1).flatten(1)


def motion_part(coefficients: Tensor) -> Tensor:
    """(B, 257) -> (B, 70): expression, angles, translation, what SadTalker drives a face by."""
    return torch.cat([coefficients[:, part] for part in (EXPRESSION, ANGLES, TRANSLATION)], dim=1)
