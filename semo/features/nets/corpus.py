"""The frame network trained on portraits-mini: what a rendered face looks like and does, at 64 px.

Trained and shipped networks are the same function: batch normalisation exists only while training and is folded into
the convolutions before they are saved, so a shipped network has no mode that changes its output.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from semo.features.base import SHIPPED
from semo.pictures import to_float

Module = TypeVar("Module", bound=nn.Module)
SIZE = 64
WIDTHS = (16, 32, 64, 96, 128)  # channels at 64, 32, 16, 8 and 4 px
WHOLE, PART = 64, 32  # features of the whole frame, of the mouth and of the eyes
DIM = WHOLE + 2 * PART
MOUTH_GRID, EYES_GRID = (20, 20), (12, 28)  # height and width, pixels, at which mouth and eyes are looked at
MOUTH_UNITS = ("mouth-open", "mouth-part-later", "mouth-protusion", "mouth-pursing", "mouth-compression",
               "mouth-retraction")
VISEMES = 16
# columns of the annotations
POSE, GAZE, BLINK, BROW, MOUTH = slice(0, 3), slice(3, 5), 5, 6, 7
CURVES = MOUTH + len(MOUTH_UNITS) + VISEMES
LANDMARKS = 68
DISTORTIONS = ("blur", "noise", "jpeg", "resolution", "ghost")


class ConvBlock(nn.Module):
    """3x3 convolution (batch-normalised while training) and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, training_norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not training_norm)
        self.norm = nn.BatchNorm2d(outputs) if training_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class PartNet(nn.Module):
    """A small cut-out (B, 3, *grid) in [0, 1] -> (B, 32)."""

    def __init__(self, grid: tuple[int, int], training_norm: bool):
        super().__init__()
        self.layers = nn.Sequential(ConvBlock(3, 24, 1, training_norm), ConvBlock(24, 32, 2, training_norm),
                                    ConvBlock(32, 48, 2, training_norm))
        self.embed = nn.Linear(48 * (grid[0] // 4) * (grid[1] // 4), PART)

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(self.layers((x - 0.5) * 4).flatten(1))


class FrameNet(nn.Module):
    """RGB (B, 3, 64, 64) in [0, 1] -> 128 features, which linear heads turn into annotations.

    `maps` alone takes any even size from 32 px on. Heads: `curves` (29 standardised annotations: yaw, pitch, roll, gaze
    yaw and pitch, blink, brow, mouth units, visemes), `landmarks` (68 points, -1..1 over the frame), `distortions`
    (strengths 0..1).
    """

    def __init__(self, training_norm: bool = False):
        super().__init__()
        stages, inputs = [], 3
        for level, width in enumerate(WIDTHS):
            first = ConvBlock(inputs, width, 2 if level else 1, training_norm)
            rest = [ConvBlock(width, width, 1, training_norm)] if level else []
            stages.append(nn.Sequential(first, *rest))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.squeeze = nn.Conv2d(WIDTHS[-1], 64, 1)
        self.embed = nn.Linear(64 * (SIZE // 16) ** 2, WHOLE)
        self.mouth, self.eyes = PartNet(MOUTH_GRID, training_norm), PartNet(EYES_GRID, training_norm)
        self.landmarks = nn.Linear(WHOLE, 2 * LANDMARKS)
        self.curves = nn.Linear(DIM, CURVES)
        self.distortions = nn.Linear(DIM, len(DISTORTIONS))
        self.register_buffer("curve_mean", torch.zeros(CURVES))
        self.register_buffer("curve_scale", torch.ones(CURVES))

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> the last map of each stage, (B, C, H / s, W / s) for s = 1, 2, 4, 8, 16."""
        x = (x - 0.5) * 4
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def whole(self, x: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [0, 1] -> (B, 64): the frame as a whole, from which the landmarks are read."""
        top = torch.relu(self.squeeze(self.maps(x)[-1]))
        return self.embed(top.flatten(1))

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [0, 1] -> (B, 128)."""
        whole = self.whole(x)
        return self.join(x, whole, self.points(whole))

    def join(self, x: Tensor, whole: Tensor, points: Tensor) -> Tensor:
        """The frame as a whole beside mouth and eyes, seen where the landmarks (B, 68, 2) say -> (B, 128)."""
        mouth, eyes = (sampled(x, boxes(points), grid)
                       for boxes, grid in ((mouth_boxes, MOUTH_GRID), (eye_boxes, EYES_GRID)))
        return torch.cat([whole, self.mouth(mouth), self.eyes(eyes)], dim=1)

    def annotations(self, features: Tensor) -> Tensor:
        """(B, 128) -> (B, 29) annotations in their own units (degrees, weights)."""
        return self.curves(torch.relu(features)) * self.curve_scale + self.curve_mean

    def points(self, features: Tensor) -> Tensor:
        """(B, 64 or 128) features of the whole frame first -> landmarks (B, 68, 2), x and y as shares of its side."""
        return (self.landmarks(torch.relu(features[:, :WHOLE])).unflatten(1, (LANDMARKS, 2)) + 1) / 2


def folded(trained: Module, plain: Module) -> Module:
    """The same function without batch normalisation; `plain` is the same class made without it.

    A normalisation stands right behind its convolution: in a ConvBlock, or next in a Sequential.
    """
    state = {k: v for k, v in trained.state_dict().items() if k in plain.state_dict()}
    last = "", None
    for name, layer in trained.named_modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            last = name, layer
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            prefix, conv = last
            state[f"{prefix}.weight"], state[f"{prefix}.bias"] = fuse_conv_bn_weights(
                conv.weight, conv.bias, layer.running_mean, layer.running_var, layer.eps, layer.weight, layer.bias)
    plain.load_state_dict(state)
    return plain.eval()


def spread(points: Tensor) -> Tensor:
    """Landmarks (B, 68, 2) -> root mean square distance from their centre (B,): the size of the face."""
    return (points - points.mean(1, keepdim=True)).square().sum(2).mean(1).sqrt()


def mouth_boxes(points: Tensor, side: float = 1.9) -> Tensor:
    """Landmarks (B, 68, 2) as shares of the frame -> centre x, y, width and height (B, 4) of a square with the mouth.

    The side follows the size of the face, not the mouth, which would hide how far it is open.
    """
    size = spread(points)
    centre = (points[:, 48] + points[:, 54]) / 2 + torch.stack([torch.zeros_like(size), 0.1 * size], dim=1)
    return torch.cat([centre, side * size[:, None].expand(-1, 2)], dim=1)


def eye_boxes(points: Tensor) -> Tensor:
    """Landmarks (B, 68, 2) as shares of the frame -> centre x, y, width and height (B, 4) around both eyes."""
    size = spread(points)
    width = torch.tensor([2.5, 2.5 * EYES_GRID[0] / EYES_GRID[1]], device=points.device)
    return torch.cat([points[:, 36:48].mean(1), size[:, None] * width], dim=1)


def sampled(x: Tensor, boxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) and boxes (B, 4) as shares of it -> (B, 3, *grid), bilinear, edges repeated."""
    centre, extent = 2 * boxes[:, :2] - 1, boxes[:, 2:]
    zero = torch.zeros_like(centre[:, 0])
    matrix = torch.stack([extent[:, 0], zero, centre[:, 0], zero, extent[:, 1], centre[:, 1]], dim=1).view(-1, 2, 3)
    places = F.affine_grid(matrix.float(), [len(x), x.shape[1], *grid], align_corners=False)
    return F.grid_sample(x.float(), places, padding_mode="border", align_corners=False)


def load_into(module: Module, path: Path, device: str | torch.device = "cpu") -> Module:
    """`module` with the half-precision tensors of a safetensors file, in float32, without gradients of its own."""
    module.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return module.eval().requires_grad_(False).to(device)


def load_frame_net(path: Path | None = None, device: str | torch.device = "cpu") -> FrameNet:
    """The shipped frame network, or the one at `path`."""
    return load_into(FrameNet(), path or SHIPPED / "corpus-frame.safetensors", device)


def network_input(frames: np.ndarray, device: str | torch.device = "cpu") -> Tensor:
    """uint8 (n, H, W, 3) -> float (n, 3, 64, 64) in [0, 1]: area average when shrinking, cubic when enlarging.

    Frames that are not square are squeezed.
    """
    if frames.shape[1:3] != (SIZE, SIZE):
        how = cv2.INTER_AREA if min(frames.shape[1:3]) > SIZE else cv2.INTER_CUBIC
        frames = np.stack([cv2.resize(frame, (SIZE, SIZE), interpolation=how) for frame in frames])
    return to_float(frames).to(device)


class PerceptualNet(nn.Module):
    """Distance of two pictures on the frame network's maps, in the manner of LPIPS (Zhang et al. 2018).

    Per map: vectors scaled to length 1 over the channels, squared difference, mean over positions; the maps' values are
    added with the shipped weights. Differentiable; the weights themselves stay fixed.
    """

    def __init__(self, frame_net: FrameNet):
        super().__init__()
        self.frame_net = frame_net
        self.register_buffer("weights", torch.ones(len(WIDTHS)))

    def perceptual_maps(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1], H and W multiples of 16 from 32 on -> five maps, fine to coarse."""
        return self.frame_net.maps(x)

    def per_map(self, a: Tensor, b: Tensor) -> Tensor:
        """(B, 3, H, W) twice -> (B, 5): mean squared difference of the unit vectors of every map, unweighted."""
        pairs = zip(self.perceptual_maps(a), self.perceptual_maps(b), strict=True)
        return torch.stack([(_unit(p) - _unit(q)).square().sum(1).mean((1, 2)) for p, q in pairs], dim=1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(B, 3, H, W) twice, in [0, 1] -> distance (B,) >= 0."""
        return self.per_map(a, b) @ self.weights


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + 1e-6).sqrt()


def load_perceptual(device: str | torch.device = "cpu", frame_net: Path | None = None,
                    weights: Path | None = None) -> PerceptualNet:
    """The shipped perceptual network, or that of other files; gradients flow to its input only."""
    net = PerceptualNet(load_frame_net(frame_net))
    net.weights.copy_(load_file(weights or SHIPPED / "corpus-perceptual.safetensors")["weights"])
    return net.eval().to(device)
