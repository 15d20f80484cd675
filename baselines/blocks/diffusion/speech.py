"""Sound as the vectors around each video frame, computed piece by piece: memory does not grow with the clip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semo.audio import LogMel
from semo.media import RATE

KEPT = 3  # pieces in memory: the sampler's front and rear may lie in different ones


class Speech(ABC):
    """A network, or a plain transform, that turns speech into vectors.

    rate: vectors per second; layers, width: shape of one; piece: seconds that are looked at on their own
    """

    rate: float
    layers: int
    width: int
    piece: float

    @abstractmethod
    def encode(self, waveform: np.ndarray, vectors: int) -> Tensor:
        """float32 16 kHz -> (vectors, layers, width)."""

    def of(self, waveform: np.ndarray, seconds: float) -> Track:
        """Vectors of so many seconds of sound: cut, or continued with silence."""
        return Track(self, waveform, max(1, round(seconds * self.rate)))


class Track:
    """The vectors of one clip, `total` of them; those beyond an end repeat the last or the first."""

    def __init__(self, speech: Speech, waveform: np.ndarray, total: int):
        self.total = total
        per_piece = round(speech.piece * speech.rate)

        @lru_cache(KEPT)
        def piece(index: int) -> Tensor:
            vectors = min(per_piece, total - index * per_piece)
            first = round(index * speech.piece * RATE)
            sound = waveform[first : first + round(vectors / speech.rate * RATE)]
            missing = round(vectors / speech.rate * RATE) - len(sound)
            return speech.encode(np.pad(sound.astype(np.float32), (0, missing)), vectors)

        self._piece, self._per_piece, self.rate = piece, per_piece, speech.rate

    def at(self, places: Sequence[int]) -> Tensor:
        """(len(places), layers, width)."""
        kept = [min(max(place, 0), self.total - 1) for place in places]
        return torch.stack([self._piece(place // self._per_piece)[place % self._per_piece] for place in kept])

    def around(self, centres: Sequence[int], before: int, after: int) -> Tensor:
        """`before` vectors before each centre to `after` from it on, (len(centres), before + after, layers, width)."""
        places = [centre + shift for centre in centres for shift in range(-before, after)]
        return self.at(places).unflatten(0, (len(centres), before + after))


class LogMelSpeech(Speech):
    """80 log-mel bins at 50 Hz (`semo.audio.LogMel`): what stands in for speech networks at toy size."""

    rate, layers, width, piece = 50.0, 1, LogMel.dim, 600.0

    def encode(self, waveform: np.ndarray, vectors: int) -> Tensor:
        made = LogMel().encode(waveform, -(-vectors // 2))[:vectors]
        return torch.from_numpy(made)[:, None]


class Wav2Vec2Speech(Speech):
    """The 12 hidden states of wav2vec2-base at the rate of the video, in pieces of 60 s (Hallo2).

    The convolutions' features are interpolated to `rate` before the transformer sees them. folder: a transformers
    folder of facebook/wav2vec2-base-960h. Raises ValueError where it cannot be loaded.
    """

    layers, width, piece = 12, 768, 60.0

    def __init__(self, folder: Path, rate: float, device: str = "cpu"):
        from transformers import Wav2Vec2Model

        self.rate = rate
        self.network = _pretrained(Wav2Vec2Model, folder, "wav2vec2-base-960h").to(device)

    @torch.inference_mode()
    def encode(self, waveform: np.ndarray, vectors: int) -> Tensor:
        least = 400  # samples: one vector of the convolutions
        sound = torch.from_numpy(np.pad(waveform, (0, max(0, least - len(waveform))))).to(self.network.device)
        sound = (sound - sound.mean()) / (sound.var(unbiased=False) + 1e-7).sqrt()
        features = self.network.feature_extractor(sound[None])  # (1, 512, n)
        features = torch.nn.functional.interpolate(features, size=vectors, mode="linear", align_corners=True)
        hidden, _ = self.network.feature_projection(features.transpose(1, 2))
        with _states(self.network.encoder.layers) as states:
            self.network.encoder(hidden)
        return torch.stack(states[1:], 2)[0].float().cpu()  # (vectors, 12, 768)


class WhisperSpeech(Speech):
    """All hidden states of Whisper-tiny's encoder at 50 Hz, before the last norm, in its pieces of 30 s (EchoMimic).

    folder: a transformers folder of openai/whisper-tiny. Raises ValueError where it cannot be loaded.
    """

    rate, layers, width, piece = 50.0, 5, 384, 30.0

    def __init__(self, folder: Path, device: str = "cpu"):
        from transformers import WhisperFeatureExtractor, WhisperModel

        self.network = _pretrained(WhisperModel, folder, "whisper-tiny").get_encoder().to(device)
        self.extractor = WhisperFeatureExtractor()

    @torch.inference_mode()
    def encode(self, waveform: np.ndarray, vectors: int) -> Tensor:
        mel = self.extractor(waveform, sampling_rate=RATE, return_tensors="pt").input_features
        with _states(self.network.layers) as states:
            self.network(mel.to(self.network.device))
        return torch.stack(states, 2)[0, :vectors].float().cpu()  # (vectors, 5, 384)


@contextmanager
def _states(layers: Sequence[torch.nn.Module]) -> Iterator[list[Tensor]]:
    """Fills a list with what goes into the first of the layers and what comes out of each."""
    states: list[Tensor] = []
    hooks = [layers[0].register_forward_pre_hook(lambda layer, given: states.append(given[0]))]
    hooks += [layer.register_forward_hook(lambda layer, given, made: states.append(_hidden(made))) for layer in layers]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _hidden(made: Tensor | tuple[Tensor, ...]) -> Tensor:
    return made[0] if isinstance(made, tuple) else made


def _pretrained(kind: type, folder: Path, name: str) -> torch.nn.Module:
    try:
        return kind.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no {name} in {folder.name}: it needs a transformers folder ({str(error).splitlines()[0]})"
        ) from error
