"""What the recipes of the audio-driven rivals share: frames with their sound and faces, and training in stages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from baselines.inputs.clips import clip_face
from baselines.inputs.face import Face
from baselines.training.perceptual import Maps, Pyramid
from semo.clips import ClipSet
from semo.media import FPS, RATE
from semo.train.data import FrameBank, step_generator
from semo.train.settings import OptimiserSettings

STREAM = 1000  # apart from the streams of other stages and processes


@dataclass
class TalkBank:
    """The training clips that have sound.

    `frames`: their frames; `waveforms`: float32 16 kHz of each clip, as long as its frames; `faces`: the face in every
    frame of each clip, empty where no stage needs it; all in the order of `frames.names`. `kept`: what a stage leaves
    for later ones, such as the motion of every frame, by name.
    """

    frames: FrameBank
    waveforms: list[Tensor]
    faces: list[Face]
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folders: Sequence[Path], with_faces: bool) -> TalkBank:
        """The training split of every prepared data set. Raises ValueError where no training clip has sound."""
        groups, waveforms, faces = [], [], []
        for folder in folders:
            clips = ClipSet(folder)
            chosen = [clip for clip in clips.select("train") if clip.has_audio]
            groups.append({clip.clip: clips.frames(clip) for clip in chosen})
            waveforms += [torch.from_numpy(clips.audio(clip)) for clip in chosen]
            faces += [clip_face(clips, clip) for clip in chosen] if with_faces else []
        if not waveforms:
            raise ValueError("the training data hold no clip of the split 'train' with sound to learn from")
        return cls(FrameBank(groups), waveforms, faces)

    def __len__(self) -> int:
        return len(self.waveforms)

    def sound(self, clip: int, start: int, frames: int, before: int = 0, after: int = 0) -> Tensor:
        """Sound of `frames` frames from `start` on and of neighbouring frames; silence beyond the clip's ends."""
        per_frame = round(RATE / FPS)
        first, last = (start - before) * per_frame, (start + frames + after) * per_frame
        wave = self.waveforms[clip]
        sound = torch.zeros(last - first)
        low, high = max(0, first), min(last, len(wave))
        if low < high:
            sound[low - first : high - first] = wave[low:high]
        return sound

    def stacked(self, name: str, clips: Sequence[int], frames: Tensor) -> Tensor:
        """Rows `frames` (B, K) of what is kept under `name`, a tensor (T, ...) per clip -> (B, K, ...)."""
        return torch.stack([self.kept[name][i][f] for i, f in zip(clips, frames, strict=True)])

    def coefficients(self, expressions: int) -> list[Tensor]:
        """`Face.coefficients` of every clip, (T, expressions + 6)."""
        return [torch.from_numpy(np.nan_to_num(face.coefficients(expressions))) for face in self.faces]


class TalkStage(nn.Module):
    """One stage of a rival's recipe: a `semo.train.loop.Stage`. Subclasses say what their paper minimises.

    `networks`: all networks of the rival, those of `trains` are trained, the others stay as they are. `data`: the
    training clips. `maps`: feature maps for a perceptual loss. `order`: which stage of the recipe this is.
    """

    name: ClassVar[str]
    optimiser: ClassVar[OptimiserSettings]
    trains: ClassVar[tuple[str, ...]]
    needs_faces: ClassVar[bool] = False
    networks: Any  # a ModuleDict, whose items have methods of their own
    data: TalkBank
    pyramid: Pyramid
    seed: int

    def __init__(self, networks: Mapping[str, nn.Module], data: TalkBank, maps: Maps, seed: int, order: int = 0):
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        for name, network in self.networks.items():
            network.requires_grad_(name in self.trains)
        self.__dict__.update(data=data, seed=seed, order=order, pyramid=Pyramid(maps))
        self.train()

    def train(self, mode: bool = True) -> TalkStage:
        """Networks that this stage does not train stay in evaluation mode."""
        super().train(mode)
        for name, network in self.networks.items():
            if name not in self.trains:
                network.eval()
        return self

    def prepare(self) -> None:
        """Before the first step: compute what the stage needs of the whole data, into `data.kept`."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Name -> scalar, already weighted; their sum is minimised."""

    @abstractmethod
    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[Any, list[str]]:
        """A dataclass of tensors and the names of its clips; a function of (seed, step, rank) only."""

    @abstractmethod
    def report(self) -> dict[str, float]:
        """Figures for the curve, on fixed training samples.

        Reports know these names: `psnr_moving`, `psnr_moving_copy`, `motion_use_db` of a stage that moves frames as
        `baselines.training.stage` has them; of one that listens one that ends in `_error`, and `sound_use`, what the
        sound of other clips adds to that error.
        """

    def forward(self, batch: Any) -> Tensor:
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            return torch.stack(list(self.losses(batch).values())).sum()

    def generator(self, step: int, rank: int = 0) -> torch.Generator:
        """The random stream of one step of this stage."""
        return step_generator(self.seed, step, STREAM * (self.order + 1) + rank)
