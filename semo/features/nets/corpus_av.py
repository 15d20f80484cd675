"""Lips and speech of portraits-mini in one space: equal times lie close, other times of the same clip far apart.

Contrastive as SyncNet (Chung and Zisserman 2016), with windows of 9 frames, in-clip negatives only and vectors of
length 1.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.audio import MEL_BINS
from semo.features.base import SHIPPED
from semo.features.nets.corpus import FrameNet, load_into, mouth_boxes, network_input

WINDOW = 9
SPACE = 64
CROP = 32
FINEST = 128    # frames above this many pixels are reduced first, so that the cut never skips pixels


class AudioVisualNet(nn.Module):
    """`look`: one mouth -> vector; `lips`: vectors of T frames, `speech`: 2 T log-mel vectors -> T - 8 embeddings."""

    def __init__(self, training_norm: bool = False):
        super().__init__()

        def block(conv: nn.Conv1d | nn.Conv2d) -> list[nn.Module]:
            kind = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm1d
            return [conv, kind(conv.out_channels) if training_norm else nn.Identity(), nn.ReLU()]

        self.eye = nn.Sequential(
            *block(nn.Conv2d(3, 16, 3, padding=1)),
            *block(nn.Conv2d(16, 32, 3, stride=2, padding=1)),
            *block(nn.Conv2d(32, 48, 3, stride=2, padding=1)),
            *block(nn.Conv2d(48, 64, 3, stride=2, padding=1)),
            nn.Flatten(), nn.Linear(64 * (CROP // 8) ** 2, 96), nn.ReLU(),
        )
        self.lip_time = nn.Sequential(*block(nn.Conv1d(96, 96, 5)), nn.Conv1d(96, SPACE, 5))
        self.ear = nn.Sequential(
            *block(nn.Conv1d(MEL_BINS, 96, 5)),
            *block(nn.Conv1d(96, 96, 4, stride=2)),  # from here on one vector per frame
            *block(nn.Conv1d(96, 96, 3)),
            nn.Conv1d(96, SPACE, 4),
        )

    def look(self, mouths: Tensor) -> Tensor:
        """(n, 3, 32, 32) in [0, 1] -> (n, 96)."""
        return self.eye((mouths - 0.5) * 4)

    def lips(self, looks: Tensor) -> Tensor:
        """(B, T, 96) -> (B, T - 8, 64), of length 1."""
        return F.normalize(self.lip_time(looks.transpose(1, 2)).float(), dim=1).transpose(1, 2)

    def speech(self, mel: Tensor) -> Tensor:
        """(B, 2 T, 80) -> (B, T - 8, 64), of length 1."""
        return F.normalize(self.ear(mel.transpose(1, 2)).float(), dim=1).transpose(1, 2)


def cut_squares(frames: np.ndarray, boxes: np.ndarray, size: int = CROP) -> np.ndarray:
    """uint8 (n, H, W, 3) and boxes (n, 4) as shares of the frame -> uint8 (n, size, size, 3), edges repeated."""
    if max(frames.shape[1:3]) > FINEST:
        scale = FINEST / max(frames.shape[1:3])
        small = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
        frames = np.stack([cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in frames])
    height, width = frames.shape[1:3]
    cuts = []
    for frame, (x, y, wide, high) in zip(frames, boxes, strict=True):
        across, down = wide * width / size, high * height / size  # source pixels per pixel of the cut
        matrix = np.array([[across, 0, (x - wide / 2) * width + across / 2 - 0.5],
                           [0, down, (y - high / 2) * height + down / 2 - 0.5]])
        cuts.append(cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                   borderMode=cv2.BORDER_REPLICATE))
    return np.stack(cuts)


def mouth_crops(frames: np.ndarray, frame_net: FrameNet, device: str | torch.device = "cpu") -> np.ndarray:
    """uint8 (n, H, W, 3) -> the mouths that the frame network finds, uint8 (n, 32, 32, 3)."""
    with torch.inference_mode():
        points = frame_net.points(frame_net.whole(network_input(frames, device)))
        boxes = mouth_boxes(points).float().cpu().numpy()
    return cut_squares(frames, boxes)


def load_av_net(path: Path | None = None, device: str | torch.device = "cpu") -> AudioVisualNet:
    """The shipped audio-visual network, or the one at `path`."""
    return load_into(AudioVisualNet(), path or SHIPPED / "corpus-av.safetensors", device)
