"""Weights, videos and sounds made from seeds: the same here and in the environment of syncnet-python."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import nn

RATE, FPS = 16000, 25
FACE = (176, 112)      # centre of the disc that stands for a face in `video`
FRAMES = 56


@torch.inference_mode()
def seed_weights(network: nn.Module, seed: int) -> None:
    """Random weights, from the keys in alphabetical order, that keep the scale of activations from layer to layer."""
    rng = np.random.default_rng(seed)
    for name, value in sorted(network.state_dict().items()):
        if not value.is_floating_point():
            continue
        drawn = rng.standard_normal(tuple(value.shape), dtype=np.float32)
        if value.dim() > 1:
            drawn *= (2.0 / value[0].numel()) ** 0.5
        elif name.endswith(("running_var", "weight")):
            drawn = 1 + 0.2 * np.tanh(drawn)
        else:
            drawn *= 0.1
        value.copy_(torch.from_numpy(drawn))
    if hasattr(network, "netcnnlip"):
        network.netcnnlip[0].weight.mul_(0.05)  # pixels reach 255 and MFCC 20: let both embeddings have one size
        network.netfcaud[-1].bias.mul_(550)  # and lie far from zero, which pads the sound
        network.netfclip[-1].bias.copy_(network.netfcaud[-1].bias)


@torch.inference_mode()
def look_for_disc(network: nn.Module) -> None:
    """Changes S3FD's heads so that its second one (faces of 128 pixels at scale 0.25) finds the disc of `video`.

    The head's centre tap becomes the direction that tells the features at the disc's centre from those elsewhere.
    """
    kept = []
    hook = network.conf[1].register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0][0]))
    small = cv2.resize(video(1)[0], None, fx=0.25, fy=0.25).astype(np.float32) - np.float32([123, 117, 104])
    network.eval()(torch.from_numpy(small).permute(2, 0, 1)[None])
    hook.remove()
    row, column = FACE[1] // 32, FACE[0] // 32  # one place per 32 pixels
    there = kept[0][:, row, column].clone()
    others = kept[0].flatten(1).mean(1)
    for k, head in enumerate(network.conf):
        head.weight.zero_()
        head.bias.zero_()
        head.bias[-1] = -20.0
        if k == 1:
            head.weight[-1, :, 1, 1] = (there - others) / (there - others).square().sum()
            logits = (head.weight[-1, :, 1, 1] @ kept[0].flatten(1)).view(kept[0].shape[1:])
            top = logits[row, column].clone()
            logits[row, column] = -1e9
            slope = 16 / (top - logits.max())
            head.weight.mul_(slope)
            head.bias[-1] = 10 - slope * top
    for head in network.loc:
        head.weight.mul_(0.1)


def texture(seed: int, height: int, width: int, grain: float = 3.0) -> np.ndarray:
    """Smooth uint8 (height, width, 3) noise over the whole range."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def video(frames: int = FRAMES, height: int = 256, width: int = 320) -> np.ndarray:
    """A textured disc with a moving spot on a quiet ground: uint8 (frames, height, width, 3)."""
    ground = np.full((height, width, 3), 90, np.uint8)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(x - FACE[0], y - FACE[1]) < 70
    ground[disc] = texture(3, height, width)[disc]
    out = np.repeat(ground[None], frames, 0)
    for i, frame in enumerate(out):
        cv2.circle(frame, (FACE[0], FACE[1] + 30), int(8 + 6 * np.sin(0.9 * i)), (200, 40, 60), -1)
    return out


def planes(frames: np.ndarray) -> list[np.ndarray]:
    """Frames as a video file holds them: YUV 4:2:0, uint8 (height * 3 / 2, width) each."""
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420) for frame in frames]


def mouth_crops(frames: int) -> np.ndarray:
    """Textures that change from frame to frame: uint8 (frames, 224, 224, 3)."""
    big = texture(5, 224 + 3 * frames, 224 + 2 * frames)
    return np.stack([big[3 * i : 3 * i + 224, 2 * i : 2 * i + 224] for i in range(frames)])


def sound(frames: int) -> np.ndarray:
    """Noise whose loudness and colour change: int16 (640 * frames,)."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(640 * frames)
    time = np.arange(len(noise)) / RATE
    tone = np.sin(2 * np.pi * (200 + 100 * np.sin(3 * time)) * time)
    return np.rint(3000 * (noise * np.abs(np.sin(7 * time)) + 2 * tone * np.abs(np.cos(5 * time)))).astype(np.int16)


def detections(frames: int = 90) -> list[list[list[float]]]:
    """Faces of each frame, corners in pixels: one that wanders and is missed at times, one that appears late."""
    rng = np.random.default_rng(11)
    found: list[list[list[float]]] = []
    for i in range(frames):
        faces = []
        if i not in (0, 20, 21, 22, 50):
            x, y, side = 100 + 1.5 * i + rng.normal(), 80 + 10 * np.sin(i / 9) + rng.normal(), 120 + 5 * np.sin(i / 7)
            faces.append([x, y, x + side, y + 1.1 * side])
        found.append([[float(v) for v in face] for face in faces])
    return found


def changes(seed: int, frames: int = 400) -> np.ndarray:
    """Changes between frames with cuts alone and in clusters: float64 (frames,)."""
    rng = np.random.default_rng(seed)
    cut = rng.random(frames) < np.where(np.arange(frames) // 50 % 2, 0.2, 0.02)
    values = np.where(cut, 40.0, 5.0)
    values[0] = 0.0
    return values
