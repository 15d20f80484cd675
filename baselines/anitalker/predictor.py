"""Stage 2 (paper section 3.3): the noise in a sequence of motion codes, given sound and the source frame.

All published variants are one network: sound as HuBERT's hidden states or as MFCC, and a variance adapter of none, one
(pose) or three (pose, location, scale) controls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from baselines.anitalker.conformer import Conformer

CONTROLS = MappingProxyType({"location": 1, "face_scale": 1, "pose": 3})  # name in the state dict -> numbers per frame


@dataclass(frozen=True)
class Sizes:
    """`features`: "hubert" or "mfcc". `audio_dim`: width of one feature, `audio_layers`: hidden states (1 for MFCC).

    `controls`: of CONTROLS. `width`: of the audio branch; `part`: of each of source, start motion, noise and time.
    `speech_blocks`, `motion_blocks`: conformer blocks before and after these join. `bound`: predicted clean motion is
    cut to [-bound, bound]. `relative`: what is predicted is how motion differs from that of the source frame, in
    units of `MotionPredictor.spread`; the published networks are about motion itself. `predicts`: "noise" or "motion".
    """

    features: str
    audio_dim: int
    audio_layers: int
    controls: tuple[str, ...]
    source_dim: int
    motion_dim: int
    width: int
    part: int
    adapter: int
    heads: int
    kernel: int
    speech_blocks: int
    motion_blocks: int
    bound: float
    relative: bool
    predicts: str

    @property
    def rate(self) -> int:
        """Audio features per frame of 25 fps."""
        return 2 if self.features == "hubert" else 4


class Recurrent(nn.Module):
    """Two LSTM layers and a linear one: (B, T, inputs) -> (B, T, outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0])


@dataclass(frozen=True)
class Condition:
    """What one clip gives for every step of sampling: (B, T, width + 2 part), and predicted controls by name."""

    features: Tensor
    predicted: dict[str, Tensor]


class MotionPredictor(nn.Module):
    spread: Tensor

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        width, part = sizes.width, sizes.part
        if sizes.features == "hubert":
            self.weights = nn.Parameter(torch.zeros(sizes.audio_layers))
            self.down_sample1 = nn.Conv1d(sizes.audio_dim, width, 3, stride=2, padding=1)
        else:
            self.down_sample1 = nn.Conv1d(sizes.audio_dim, width // 2, 3, stride=2, padding=1)
            self.down_sample2 = nn.Conv1d(width // 2, width, 3, stride=2, padding=1)
        if sizes.speech_blocks:
            self.speech_encoder = Conformer(width, sizes.heads, width, sizes.kernel, sizes.speech_blocks)
        joint = width + 4 * part
        self.coarse_decoder = Conformer(joint, sizes.heads, joint, sizes.kernel, sizes.motion_blocks)
        for name in sizes.controls:
            self.add_module(f"{name}_predictor", Recurrent(width, sizes.adapter, CONTROLS[name]))
            self.add_module(f"{name}_encoder", Recurrent(CONTROLS[name], sizes.adapter, width))
        self.init_code_proj = nn.Sequential(nn.Linear(sizes.source_dim, part))
        self.noisy_encoder = nn.Sequential(nn.Linear(sizes.motion_dim, part))
        self.t_encoder = nn.Sequential(nn.Linear(1, part))
        self.encoder_direction_code = nn.Linear(sizes.motion_dim, part)
        self.out_proj = nn.Linear(joint, sizes.motion_dim)
        if sizes.relative:
            self.register_buffer("spread", torch.ones(sizes.motion_dim))

    def normalised(self, motion: Tensor, start: Tensor) -> Tensor:
        """Motion (B, T, motion_dim) of clips with `start` (B, motion_dim) -> what the diffusion is about."""
        return (motion - start[:, None]) / self.spread if self.sizes.relative else motion

    def motion(self, sample: Tensor, start: Tensor) -> Tensor:
        """The other way round."""
        return start[:, None] + self.spread * sample if self.sizes.relative else sample

    def speech(self, audio: Tensor) -> Tensor:
        """HuBERT's states (B, layers, 2T, audio_dim) or MFCC (B, 4T, audio_dim) -> (B, T, width)."""
        if self.sizes.features == "hubert":
            x = self.down_sample1(self.mix(audio).mT).mT
        else:
            x = self.down_sample2(self.down_sample1(audio.mT)).mT
        return self.speech_encoder(x) if self.sizes.speech_blocks else x

    def mix(self, states: Tensor) -> Tensor:
        """Hidden states (B, layers, N, audio_dim) -> their weighted sum (B, N, audio_dim)."""
        return torch.einsum("l,blnc->bnc", self.weights.softmax(0), states)

    def condition(
        self, audio: Tensor, source: Tensor, start: Tensor, given: Mapping[str, Tensor] = MappingProxyType({})
    ) -> Condition:
        """All that does not depend on the noisy motion.

        `audio`: see `speech`; `source` (B, source_dim) and `start` (B, motion_dim): code and motion of the source
        frame; `given`: controls (B, T, n) by name that replace the predicted ones.
        """
        x, predicted = self.speech(audio), {}
        for name in self.sizes.controls:
            predicted[name] = self.get_submodule(f"{name}_predictor")(x)
            x = x + self.get_submodule(f"{name}_encoder")(given.get(name, predicted[name]))
        still = torch.cat([self.encoder_direction_code(start), self.init_code_proj(source)], dim=-1)
        return Condition(torch.cat([x, still[:, None].expand(-1, x.shape[1], -1)], dim=-1), predicted)

    def forward(self, noisy: Tensor, time: Tensor | float, condition: Condition) -> Tensor:
        """Noisy motion (B, T, motion_dim) -> the prediction; the timestep, one or (B), enters as the number it is."""
        when = torch.as_tensor(time, dtype=noisy.dtype, device=noisy.device).reshape(-1, 1, 1)
        when = self.t_encoder(when).expand(len(noisy), noisy.shape[1], -1)
        x = torch.cat([condition.features, self.noisy_encoder(noisy), when], dim=-1)
        return self.out_proj(self.coarse_decoder(x))
