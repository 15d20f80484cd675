"""Mel-frequency cepstral coefficients as python_speech_features computes them, which SyncNet and LR-ASD were fed."""

from __future__ import annotations

from functools import cache

import numpy as np

RATE = 16000
WINDOW, HOP, FFT = 400, 160, 512  # 25 ms, 10 ms
FILTERS, COEFFICIENTS, LIFTER = 26, 13, 22
EMPHASIS = 0.97


def mfcc(waveform: np.ndarray) -> np.ndarray:
    """Mono 16 kHz in [-1, 1], float (n,) -> float64 (windows, 13), 100 a second; the last window is zero-padded.

    Samples are taken as 16-bit numbers, as from a WAV file: the first coefficient, log energy, depends on their scale.
    """
    samples = np.round(np.asarray(waveform, np.float64) * 32767.0)
    if not len(samples):
        return np.zeros((0, COEFFICIENTS))
    samples = np.append(samples[0], samples[1:] - EMPHASIS * samples[:-1])
    count = 1 + max(0, -(-(len(samples) - WINDOW) // HOP))
    samples = np.pad(samples, (0, max(0, (count - 1) * HOP + WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]  # rectangular
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2 / FFT
    tiny = np.finfo(np.float64).eps
    energy = np.log(np.maximum(power.sum(1), tiny))
    cepstrum = np.log(np.maximum(power @ _filters(), tiny)) @ _cosines()
    cepstrum[:, 0] = energy
    return cepstrum


@cache
def _filters() -> np.ndarray:
    """Triangles of height 1, evenly spaced in mel (O'Shaughnessy) from 0 to 8 kHz, on whole bins: (257, 26)."""
    mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + RATE / 2 / 700.0), FILTERS + 2)
    edges = np.floor((FFT + 1) * 700.0 * (10.0 ** (mel / 2595.0) - 1.0) / RATE)
    bins = np.arange(FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.where(bins < edges[1:-1], rising, falling))


@cache
def _cosines() -> np.ndarray:
    """Orthonormal DCT-II of the 26 log energies, its first 13 rows, sine-liftered: (26, 13)."""
    k = np.arange(COEFFICIENTS)
    table = np.sqrt(2.0 / FILTERS) * np.cos(np.pi * k * (2 * np.arange(FILTERS)[:, None] + 1) / (2 * FILTERS))
    table[:, 0] /= np.sqrt(2.0)
    return table * (1.0 + LIFTER / 2 * np.sin(np.pi * k / LIFTER))
