"""The perceptual pyramid: L1 between feature maps of prediction and target at several scales.

The papers use VGG19 trained on ImageNet. Where its weights are not on this machine, the suite's own network, trained on
portraits-mini, stands in; the record of a training says which of the two it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.errors import DatasetError

Maps = Callable[[Tensor], list[Tensor]]
SMALLEST = 32  # pixels; a smaller level of the pyramid would be all padding
VGG19_ENDS = (2, 7, 12, 21, 30)  # after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Vgg19(nn.Module):
    """Five feature maps of torchvision's VGG19 from images in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path):
        super().__init__()
        from torchvision.models import vgg19

        from baselines.checkpoints import read_checkpoint

        network = vgg19()
        network.load_state_dict(read_checkpoint(weights))
        bounds = (0, *VGG19_ENDS)
        self.parts = nn.ModuleList(network.features[start:end] for start, end in pairwise(bounds))
        self.register_buffer("mean", torch.tensor(IMAGENET[0]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET[1]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = (x - self.mean) / self.std, []
        for part in self.parts:
            x = part(x)
            maps.append(x)
        return maps


def feature_maps(device: str) -> tuple[Maps, str]:
    """The network behind the loss and its name: VGG19 where its weights are at hand, else the bundled network."""
    from semo.registry import locate

    try:
        path = next(iter(locate("vgg19").values()))
    except DatasetError:
        from semo.features.nets.corpus import load_perceptual

        network = load_perceptual(device)
        return network.perceptual_maps, "corpus network (bundled)"
    return Vgg19(path).to(device).eval().requires_grad_(False), "VGG19"


class Pyramid:
    """Weighted sum of mean |maps(prediction) - maps(target)| over the scales that are not too small."""

    def __init__(self, maps: Maps, scales: Sequence[float] = (1, 0.5, 0.25, 0.125), weight: float = 10.0):
        self.maps, self.scales, self.weight = maps, tuple(scales), weight

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] -> scalar; no gradient reaches the target."""
        total = prediction.new_zeros(())
        for scale in self.scales:
            side = round(prediction.shape[-1] * scale)
            if side < SMALLEST and scale != self.scales[0]:
                continue
            ours, theirs = (_resized(image, side) for image in (prediction, target))
            with torch.no_grad():
                wanted = self.maps(theirs)
            total = total + sum((a - b).abs().mean() for a, b in zip(self.maps(ours), wanted, strict=True))
        return self.weight * total


def _resized(image: Tensor, side: int) -> Tensor:
    """Area average, which needs no anti-alias filter where the scale is 1 / n."""
    return image if image.shape[-1] == side else F.interpolate(image, size=side, mode="area")
