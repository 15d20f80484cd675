"""From a portrait and sound to frames: coefficients of all frames first, then pictures in batches.

Per frame of sound are kept its mel columns, an audio embedding for a moment, and 70 coefficients; pictures are made
only as they are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.signal import savgol_filter
from torch import Tensor

from baselines.sadtalker.audio2pose import Audio2Pose
from baselines.sadtalker.blinks import blinks
from baselines.sadtalker.config import Config
from baselines.sadtalker.keypoints import place
from baselines.sadtalker.mapping import windows
from baselines.sadtalker.mel import mel_patches
from baselines.sadtalker.pose_vae import POSE
from baselines.sadtalker.renderer import FastRenderer
from semo.pictures import to_float, to_uint8

SMOOTHING, ORDER = 13, 2  # window in frames and degree of the filter of Savitzky and Golay
PIXELS = 1 << 16  # of the frames made at once on a CPU; more leave its caches
GPU_BATCH = 8


@dataclass(frozen=True)
class Wishes:
    """`pose_style`: one of PoseVAE's classes; `expression_scale`: 1 as predicted; `still`: the head keeps its pose."""

    pose_style: int = 0
    expression_scale: float = 1.0
    still: bool = False


class Talker:
    """The networks of SadTalker in use. `fast`: with the accelerated renderer, which is equal up to rounding."""

    def __init__(self, modules: Mapping[str, Any], config: Config, fast: bool = True):
        self.config = config
        self.modules = {name: module.eval() for name, module in modules.items()}
        self.pose: Audio2Pose = self.modules["audio2pose"]
        generator = self.modules["generator"]
        self.renderer = FastRenderer(generator, config.frame_size) if fast else generator
        self.device = next(generator.parameters()).device
        self.batch = max(1, PIXELS // config.frame_size**2) if self.device.type == "cpu" else GPU_BATCH

    @torch.inference_mode()
    def coefficients(
        self, source: Tensor, waveform: np.ndarray, frames: int, seed: int, wishes: Wishes = Wishes()
    ) -> Tensor:
        """Coefficients of the portrait (1, C) and float32 mono 16 kHz -> of every frame, (frames, C)."""
        source = source.to(self.device)
        expression, pose = source[:, :-POSE], source[:, -POSE:]
        mel = mel_patches(waveform, frames, self.device)
        blink = torch.from_numpy(blinks(frames, seed))[None].to(self.device)
        spoken = self.modules["audio2exp"].in_chunks(mel, expression[:, None], blink)[0] * wishes.expression_scale
        if wishes.still:
            return torch.cat([spoken, pose.expand(frames, -1)], dim=1)
        latents = torch.randn(
            self.pose.chunks(frames), 1, self.pose.latent, generator=torch.Generator().manual_seed(seed)
        )
        moved = pose + self.pose(pose, mel, latents.to(self.device), wishes.pose_style)[0]
        return torch.cat([spoken, smoothed(moved)], dim=1)

    @torch.inference_mode()
    def frames(self, portrait: np.ndarray, source: Tensor, coefficients: Tensor) -> Iterator[np.ndarray]:
        """Portrait uint8 (S, S, 3), its coefficients (1, C), those of the frames (T, C) -> T frames as the portrait."""
        source, image = source.to(self.device), to_float(portrait[None]).to(self.device)
        canonical = self.modules["kp_extractor"](image)
        volume = self.modules["generator"].volume(image)
        kp_source = place(canonical, self.modules["mapping"](windows(source, image.new_zeros(1, dtype=torch.long))))
        for start in range(0, len(coefficients), self.batch):
            middles = torch.arange(start, min(start + self.batch, len(coefficients)), device=self.device)
            motion = self.modules["mapping"](windows(coefficients, middles))
            made = self.renderer(volume, kp_source, place(canonical, motion))
            yield from to_uint8(made.image)


def smoothed(poses: Tensor) -> Tensor:
    """Poses (T, 6) after the filter of Savitzky and Golay; a clip shorter than its window takes a shorter window."""
    window = min(SMOOTHING, (len(poses) - 1) // 2 * 2 + 1)
    if window <= ORDER:
        return poses
    return torch.from_numpy(savgol_filter(poses.cpu().double().numpy(), window, ORDER, axis=0)).to(poses)
