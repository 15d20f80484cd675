"""Waveform -> 50 Hz features, two vectors per 25-fps frame: log-mel without weights, or the Whisper encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path

import numpy as np

RATE = 16000
VECTORS_PER_FRAME = 2
HOP = RATE // (25 * VECTORS_PER_FRAME)
MEL_BINS = 80


class AudioEncoder(ABC):
    """Maps speech to features. `dim` is the size of one vector."""

    name: str
    dim: int

    def encode(self, waveform: np.ndarray, frames: int) -> np.ndarray:
        """float32 mono 16 kHz (n,) -> float32 (frames * 2, dim).

        Vector j is centred on second j / 50, so frame i owns vectors 2 i and 2 i + 1. The waveform is padded with
        silence, or cut, to the `frames` frames. Raises ValueError for anything but one finite channel.
        """
        waveform = np.asarray(waveform, dtype=np.float32)
        if waveform.ndim != 1:
            raise ValueError(f"audio must be mono float32 (n,), got shape {waveform.shape}: average its channels first")
        if frames < 1:
            raise ValueError(f"audio features need at least one frame, got {frames}")
        if not np.isfinite(waveform).all():
            raise ValueError("audio holds NaN or infinite samples: repair the recording")
        length = frames * VECTORS_PER_FRAME * HOP
        waveform = np.pad(waveform[:length], (0, max(0, length - len(waveform))))
        return self._encode(waveform)

    @abstractmethod
    def _encode(self, waveform: np.ndarray) -> np.ndarray:
        """(vectors * HOP,) -> (vectors, dim)."""


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) * 27 / np.log(6.4))


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@cache
def mel_filters(
    bins: int = MEL_BINS, n_fft: int = 512, rate: int = RATE, low: float = 0.0, high: float = RATE / 2
) -> np.ndarray:
    """Triangular filters of equal area, float64 (n_fft / 2 + 1, bins), from `low` to `high` Hz (Slaney)."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(low), _hz_to_mel(high), bins + 2))
    frequencies = np.linspace(0, rate / 2, n_fft // 2 + 1)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])


class LogMel(AudioEncoder):
    """80 log-mel bins, window 25 ms (Hann), hop 20 ms, standardised by fixed constants: no weights, no clip statistics.

    The constants are the mean and deviation over speech at ordinary level; digital silence maps to -1.14.
    """

    name = "logmel"
    dim = MEL_BINS
    WINDOW, N_FFT = 400, 512
    FLOOR, MEAN, DEVIATION = 1e-8, -6.0, 1.75

    def _encode(self, waveform: np.ndarray) -> np.ndarray:
        half = self.WINDOW // 2
        padded = np.pad(waveform.astype(np.float64), (half, half))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.WINDOW)[:len(waveform):HOP]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.WINDOW) / self.WINDOW)
        power = np.abs(np.fft.rfft(windows * hann, self.N_FFT)) ** 2 / (hann ** 2).sum()
        level = np.log10(np.maximum(power @ mel_filters(), self.FLOOR))
        return ((level - self.MEAN) / self.DEVIATION).astype(np.float32)


class Whisper(AudioEncoder):
    """Last layer of the Whisper encoder (Radford et al. 2022) through transformers, in chunks of 30 s.

    `path`: a folder with a saved Whisper model, or its id on the model hub. Whisper normalises each 30 s chunk as a
    whole, so the features of a clip depend on all of its sound. Raises ValueError if the model cannot be loaded.
    """

    name = "whisper"

    def __init__(self, path: str | Path, device: str = "cpu"):
        from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

        try:
            config = WhisperConfig.from_pretrained(path)
            self.model = WhisperModel.from_pretrained(path).get_encoder().eval().to(device)
        except (OSError, ValueError) as error:
            raise ValueError(f"no Whisper model at {str(path)!r}: give a folder with its weights, or set audio to "
                             f"'logmel' ({str(error).splitlines()[0]})") from error
        try:
            self.extractor = WhisperFeatureExtractor.from_pretrained(path)
        except OSError:
            self.extractor = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        self.dim, self.device = config.d_model, device
        self.chunk = config.max_source_positions * HOP

    def _encode(self, waveform: np.ndarray) -> np.ndarray:
        import torch

        pieces = []
        for start in range(0, len(waveform), self.chunk):
            piece = waveform[start:start + self.chunk]
            mel = self.extractor(piece, sampling_rate=RATE, return_tensors="pt").input_features.to(self.device)
            with torch.inference_mode():
                hidden = self.model(mel).last_hidden_state[0]  # (positions, dim)
            pieces.append(hidden[:len(piece) // HOP].float().cpu().numpy())
        return np.concatenate(pieces)


def make_audio_encoder(name: str, path: str | Path | None = None, device: str = "cpu") -> AudioEncoder:
    """`logmel`, or `whisper` with its folder or hub id. Raises ValueError for an unknown name or a missing path."""
    if name == "logmel":
        return LogMel()
    if name == "whisper":
        if path is None:
            raise ValueError("the Whisper audio encoder needs a folder or hub id: set its path")
        return Whisper(path, device)
    raise ValueError(f"unknown audio encoder {name!r}: use 'logmel' or 'whisper'")
