"""Embeddings of lips and speech, computed in groups of fixed size so that no chunking of the frames changes a bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from semo.features.lipsync.weights import load
from semo.features.mfcc import mfcc
from semo.features.nets.syncnet import PATCH, WINDOW, SyncNet

ROWS_PER_FRAME = 4   # MFCC rows a frame: 100 a second against 25
GROUP = 16           # windows embedded at once
SPEECH_GROUP = 256


class Embedder:
    """SyncNet v2 with its official weights."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.network, self.device = load(SyncNet(), path, device), device

    @torch.inference_mode()
    def lips(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (T, 224, 224, 3) BGR, T >= 5 -> float32 (T - 4, 1024)."""
        return self.network.lips(torch.from_numpy(frames).to(self.device).float()).cpu().numpy()

    @torch.inference_mode()
    def speech(self, samples: np.ndarray, windows: int) -> np.ndarray:
        """int16 mono 16 kHz of at least 640 * (windows + 4) samples -> float32 (windows, 1024), one per frame."""
        rows = mfcc(samples).astype(np.float32)
        patches = np.lib.stride_tricks.sliding_window_view(rows, PATCH, axis=0)[::ROWS_PER_FRAME][:windows]
        patches = patches.transpose(0, 2, 1)  # (windows, 20, 13)
        out = []
        for start in range(0, windows, SPEECH_GROUP):
            group = torch.from_numpy(patches[start : start + SPEECH_GROUP].copy())
            out.append(self.network.speech(group.to(self.device)).cpu().numpy())
        return np.concatenate(out)


class LipStream:
    """Takes mouth crops one by one and keeps embeddings only."""

    def __init__(self, embedder: Embedder):
        self.embedder = embedder
        self.held: list[np.ndarray] = []
        self.done: list[np.ndarray] = []
        self.count = 0

    def add(self, crop: np.ndarray) -> None:
        """uint8 (224, 224, 3) BGR."""
        self.held.append(crop)
        self.count += 1
        if len(self.held) == GROUP + WINDOW - 1:
            self._embed()

    def _embed(self) -> None:
        self.done.append(self.embedder.lips(np.stack(self.held)))
        self.held = self.held[1 - WINDOW :]

    def finish(self) -> np.ndarray:
        """float32 (frames - 4, 1024), or (0, 1024) for fewer than 5 frames."""
        if len(self.held) >= WINDOW:
            self._embed()
        return np.concatenate(self.done) if self.done else np.zeros((0, 1024), np.float32)
