"""S3FD face detector (Zhang et al. 2017), with the keys of `sfd_face.pth` as SyncNet's pipeline uses it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN_RGB = (123.0, 117.0, 104.0)
CHANNELS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "C", 512, 512, 512, "M", 512, 512, 512, "M")
TAPS = (15, 22, 29)  # layers of `vgg` whose output, normalised, feeds a head
HEADS = (256, 512, 512, 1024, 512, 256)
STEPS = (4, 8, 16, 32, 64, 128)  # pixels between the anchors of a head; a head's anchors are 4 steps wide
FIRST_OVERLAP = 0.3
SMALLEST_SIDE = 28  # below it the last pooling layer has nothing left


class _Scale(nn.Module):
    """Unit L2 norm over channels, times a learned weight per channel."""

    def __init__(self, channels: int, start: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(start)))

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) * self.weight[:, None, None]


def _vgg() -> nn.ModuleList:
    layers: list[nn.Module] = []
    width = 3
    for item in CHANNELS:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=item == "C"))
        else:
            layers += [nn.Conv2d(width, item, 3, padding=1), nn.ReLU(inplace=True)]
            width = item
    layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(inplace=True)]
    return nn.ModuleList([*layers, nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True)])


class S3FD(nn.Module):
    """One anchor per place and head, from 16 to 512 pixels wide."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = _vgg()
        self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3 = _Scale(256, 10), _Scale(512, 8), _Scale(512, 5)
        self.extras = nn.ModuleList([
            nn.Conv2d(1024, 256, 1), nn.Conv2d(256, 512, 3, stride=2, padding=1),
            nn.Conv2d(512, 128, 1), nn.Conv2d(128, 256, 3, stride=2, padding=1),
        ])
        self.loc = nn.ModuleList([nn.Conv2d(width, 4, 3, padding=1) for width in HEADS])
        # The first head has three background classes against false alarms of small faces: their largest counts.
        self.conf = nn.ModuleList([nn.Conv2d(width, 2 if k else 4, 3, padding=1) for k, width in enumerate(HEADS)])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """float (N, 3, H, W) RGB minus MEAN_RGB -> scores (N, P) in [0, 1], boxes (N, P, 4) x1 y1 x2 y2 over W, H."""
        scores, boxes = [], []
        for k, x in enumerate(self._sources(images)):
            logits = self.conf[k](x)  # (N, 2 or 4, h, w)
            logits = torch.cat([logits[:, :-1].amax(1, keepdim=True), logits[:, -1:]], 1)
            scores.append(logits.softmax(1)[:, 1].flatten(1))
            place = self.loc[k](x).permute(0, 2, 3, 1).flatten(1, 2)  # (N, h w, 4)
            boxes.append(_decoded(place, _anchors(x.shape[2:], images.shape[2:], STEPS[k]).to(place)))
        return torch.cat(scores, 1), torch.cat(boxes, 1)

    def _sources(self, x: Tensor) -> list[Tensor]:
        sources = []
        norms = dict(zip(TAPS, (self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3), strict=True))
        for k, layer in enumerate(self.vgg):
            x = layer(x)
            if k in norms:
                sources.append(norms[k](x))
        sources.append(x)
        for reduce, stride in (self.extras[:2], self.extras[2:]):
            x = F.relu(stride(F.relu(reduce(x))))
            sources.append(x)
        return sources


def _anchors(grid: torch.Size, image: torch.Size, step: int) -> Tensor:
    """(h, w) places on an (H, W) image -> (h w, 4) centre x, centre y, width, height over W, H."""
    (h, w), (height, width) = grid, image
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    side = torch.full_like(x, 4.0 * step)
    return torch.stack([x * step / width, y * step / height, side / width, side / height], -1).reshape(-1, 4)


def _decoded(place: Tensor, anchors: Tensor) -> Tensor:
    """Offsets (N, P, 4) from anchors (P, 4), with SSD's variances 0.1 and 0.2 -> corners (N, P, 4)."""
    centre = anchors[:, :2] + place[..., :2] * 0.1 * anchors[:, 2:]
    half = anchors[:, 2:] * torch.exp(place[..., 2:] * 0.2) / 2
    return torch.cat([centre - half, centre + half], -1)


def suppressed(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
    """Indices of boxes (P, 4) that stay, best first: none shares more than `overlap` with a better one that stays."""
    order = np.argsort(scores, kind="stable")[::-1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        order = rest[shared / (area[best] + area[rest] - shared) <= overlap]
    return np.array(kept, dtype=np.int64)


def faces(scores: np.ndarray, boxes: np.ndarray, width: int, height: int, least: float, overlap: float) -> np.ndarray:
    """One image's scores (P,) and boxes (P, 4) -> faces above `least`: float64 (k, 4) pixels, best first.

    Suppresses twice, at 0.3 and then at `overlap`, as the network's own output layer and its caller do.
    """
    sure = scores > least
    boxes, scores = boxes[sure], scores[sure]
    kept = suppressed(boxes, scores, FIRST_OVERLAP)
    pixels = (boxes[kept] * np.array([width, height, width, height], np.float32)).astype(np.float64)
    return pixels[suppressed(pixels, scores[kept], overlap)]
