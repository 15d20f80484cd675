"""Mel spectrogram as Wav2Lip and SadTalker take it, and the patch of it that belongs to each video frame.

80 bins from 55 to 7600 Hz (Slaney, as librosa makes them), window of 800 samples (Hann), hop 200, zeros beyond the
ends, pre-emphasis 0.97; amplitudes in dB from -100 to 0, less 20 dB, brought to [-4, 4].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.sadtalker.audio_encoder import BINS, COLUMNS
from semo.audio import RATE, mel_filters

FPS = 25
HOP, N_FFT = 200, 800
PER_SECOND = RATE // HOP  # columns
PREEMPHASIS = 0.97
FLOOR_DB, REFERENCE_DB, RANGE = -100.0, 20.0, 4.0
BLOCK = 4096  # columns transformed at once


def mel_spectrogram(waveform: np.ndarray) -> np.ndarray:
    """float32 mono 16 kHz (n,) -> float32 (1 + n // 200, 80) in [-4, 4]; digital silence is -4."""
    sound = np.asarray(waveform, np.float64)
    sound = np.append(sound[:1], sound[1:] - PREEMPHASIS * sound[:-1])
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(sound, N_FFT // 2), N_FFT)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    filters = mel_filters(BINS, N_FFT, RATE, 55.0, 7600.0)
    made = np.empty((len(windows), BINS), np.float32)
    for start in range(0, len(windows), BLOCK):
        amplitude = np.abs(np.fft.rfft(windows[start : start + BLOCK] * hann)) @ filters
        level = 20 * np.log10(np.maximum(amplitude, 10 ** (FLOOR_DB / 20))) - REFERENCE_DB
        made[start : start + BLOCK] = np.clip(RANGE - 2 * RANGE * level / FLOOR_DB, -RANGE, RANGE)
    return made


class MelPatches:
    """The patches of a clip, sliced like a tensor (1, T, 1, 80, 16) and cut only where they are asked for.

    The patch of frame i has 16 columns from int(80 (i - 2) / 25) on; beyond the ends of the sound the outermost column
    is repeated.
    """

    def __init__(self, spectrogram: np.ndarray, frames: int, device: str | torch.device = "cpu"):
        self.spectrogram, self.device = spectrogram, device
        self.shape = (1, frames, 1, BINS, COLUMNS)

    def __getitem__(self, key: tuple[Any, slice]) -> Tensor:
        frames = np.arange(*key[1].indices(self.shape[1]))
        first = np.trunc(PER_SECOND * (frames - 2) / FPS).astype(int)
        columns = np.clip(first[:, None] + np.arange(COLUMNS), 0, len(self.spectrogram) - 1)
        cut = self.spectrogram[columns].transpose(0, 2, 1)  # (n, 80, 16)
        return torch.from_numpy(np.ascontiguousarray(cut))[None, :, None].to(self.device)


def mel_patches(waveform: np.ndarray, frames: int, device: str | torch.device = "cpu") -> MelPatches:
    """Patches of `frames` frames of 25 fps; the sound is padded with silence, or cut, to their length."""
    length = frames * RATE // FPS
    waveform = np.asarray(waveform, np.float32)[:length]
    return MelPatches(mel_spectrogram(np.pad(waveform, (0, length - len(waveform)))), frames, device)
