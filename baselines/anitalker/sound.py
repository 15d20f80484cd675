"""What AniTalker hears: MFCC at 100 Hz, or all hidden states of HuBERT-large at 50 Hz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from baselines.checkpoints import CheckpointError
from semo.features.mfcc import mfcc
from semo.media import FPS, RATE

if TYPE_CHECKING:
    from transformers import HubertModel

PER_FRAME = round(RATE / FPS)  # samples
MFCC_RATE, HUBERT_RATE = 4, 2  # features per frame
Heard = Callable[[int, int], Tensor]  # frames [start, stop) -> features of them
VARIANCE_EPSILON = 1e-7  # of the normalisation, as in transformers' Wav2Vec2FeatureExtractor


class Mfcc:
    """39 numbers per 10 ms: MFCC and their differences over one and over two neighbours to each side."""

    def __call__(self, waveform: np.ndarray) -> Heard:
        """float32 mono 16 kHz of whole frames of 25 fps -> frames `start` to `stop` as (1, 4T, 39)."""
        rows = mfcc_rows(waveform)[None]
        return lambda start, stop: rows[:, MFCC_RATE * start : MFCC_RATE * stop]


def mfcc_rows(waveform: np.ndarray) -> Tensor:
    """float32 mono 16 kHz of T whole frames of 25 fps -> (4T, 39); the last row is repeated, for it lacks sound.

    Samples are in [-1, 1], not the int16 for which these MFCC are known, and so in the original: that moves the
    logarithm of the energy.
    """
    base = mfcc(waveform)
    rows = np.concatenate([base, differences(base, 1), differences(base, 2)], axis=1)
    lacking = len(waveform) // PER_FRAME * MFCC_RATE - len(rows)
    return torch.from_numpy(np.pad(rows, ((0, lacking), (0, 0)), "edge").astype(np.float32))


def differences(rows: np.ndarray, reach: int) -> np.ndarray:
    """Slope of the regression line over `reach` rows to each side, the first and last row repeated beyond the ends."""
    padded = np.pad(rows, ((reach, reach), (0, 0)), "edge")
    steps = np.arange(-reach, reach + 1)
    moved = (step * padded[reach + step : len(rows) + reach + step] for step in steps)
    return sum(moved) / (steps**2).sum()


class Hubert:
    """All hidden states of a HuBERT model in a local folder, as `transformers` writes it."""

    def __init__(self, folder: Path, device: str | torch.device, states: int, width: int):
        """Raises CheckpointError where the folder holds no complete HuBERT of `states` - 1 layers of this width."""
        self.model, self.normalise = _load(folder)
        config: Any = self.model.config
        if (config.num_hidden_layers + 1, config.hidden_size) != (states, width):
            raise CheckpointError(
                f"{folder.name}: is a HuBERT of {config.num_hidden_layers} layers of {config.hidden_size}, needed are "
                f"{states - 1} of {width}"
            )
        self.device = device
        self.model.to(device)  # type: ignore[arg-type]

    def __call__(self, waveform: np.ndarray) -> Heard:
        """float32 mono 16 kHz of whole frames of 25 fps -> frames `start` to `stop` as (1, states, 2T, width).

        The model hears these frames alone; the last state is repeated, for it lacks sound.
        """
        if self.normalise:
            waveform = (waveform - waveform.mean()) / np.sqrt(waveform.var() + VARIANCE_EPSILON)
        return lambda start, stop: self.states(waveform[PER_FRAME * start : PER_FRAME * stop])

    @torch.inference_mode()
    def states(self, waveform: np.ndarray) -> Tensor:
        """The same for a whole waveform that is already normalised."""
        sound = torch.from_numpy(waveform).to(self.device)[None]
        states = torch.stack(self.model(sound, output_hidden_states=True).hidden_states, dim=1)
        lacking = len(waveform) // PER_FRAME * HUBERT_RATE - states.shape[2]
        return torch.cat([states, states[:, :, -1:].expand(-1, -1, lacking, -1)], dim=2)


def _load(folder: Path) -> tuple[HubertModel, bool]:
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
        read: Any = HubertModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"{folder.name}: holds no HuBERT that can be read ({reason})") from error
    model, info = read
    if info["missing_keys"]:
        raise CheckpointError(f"{folder.name}: the HuBERT lacks {sorted(info['missing_keys'])[0]}; download it again")
    return model.eval().requires_grad_(False), bool(extractor.do_normalize)
