"""Mel-frequency cepstral coefficients as `python_speech_features.mfcc` computes them by default, at 16 kHz."""

from __future__ import annotations

from functools import cache

import numpy as np

RATE, WINDOW, HOP, N_FFT = 16000, 400, 160, 512
FILTERS, COEFFICIENTS, LIFTER, EMPHASIS = 26, 13, 22, 0.97
_BLOCK = 8192  # windows transformed at once: 82 s of sound


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """float [-1, 1] -> int16 as ffmpeg rounds it (half to even, cut at full scale)."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)


def mfcc(samples: np.ndarray) -> np.ndarray:
    """int16 (n,), n >= 1, mono 16 kHz -> float64 (1 + ceil((n - 400) / 160), 13).

    Row i sees the 25 ms from i * 10 ms on, without a window function; the last row is filled up with zeros. Column 0 is
    the logarithm of the window's energy. The scale of the samples matters: it moves column 0. Raises ValueError for
    anything but one channel with at least one sample.
    """
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"MFCC need mono samples (n,) with n >= 1, not shape {samples.shape}")
    signal = samples.astype(np.float64)
    signal[1:] -= EMPHASIS * signal[:-1]
    rows = 1 + max(0, -(-(len(signal) - WINDOW) // HOP))
    signal = np.pad(signal, (0, (rows - 1) * HOP + WINDOW - len(signal)))
    windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    return np.concatenate([_rows(windows[i : i + _BLOCK]) for i in range(0, rows, _BLOCK)])


def _rows(windows: np.ndarray) -> np.ndarray:
    """(k, 400) -> (k, 13)."""
    power = np.abs(np.fft.rfft(windows, N_FFT)) ** 2 / N_FFT  # (k, 257)
    cepstra = _log(power @ _filters().T) @ _cosines()
    cepstra[:, 0] = _log(power.sum(1))
    return cepstra


def _log(value: np.ndarray) -> np.ndarray:
    return np.log(np.where(value == 0, np.finfo(np.float64).eps, value))


@cache
def _filters() -> np.ndarray:
    """Triangles (26, 257) on HTK's mel scale, their corners on whole FFT bins, from 0 Hz to 8 kHz."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), FILTERS + 2)
    corners = np.floor((N_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE)
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(N_FFT // 2 + 1)
    rising = (bins >= left) & (bins < peak)
    falling = (bins >= peak) & (bins < right)
    # neighbouring corners never coincide for these constants
    return np.where(rising, (bins - left) / (peak - left), np.where(falling, (right - bins) / (right - peak), 0.0))


@cache
def _cosines() -> np.ndarray:
    """(26, 13): orthonormal DCT-II with the sine lifter folded in."""
    n, k = np.arange(FILTERS)[:, None], np.arange(COEFFICIENTS)
    table = np.sqrt(2 / FILTERS) * np.cos(np.pi * k * (2 * n + 1) / (2 * FILTERS))
    table[:, 0] /= np.sqrt(2)
    return table * (1 + LIFTER / 2 * np.sin(np.pi * k / LIFTER))
