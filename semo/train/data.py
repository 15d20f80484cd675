"""Training data: every frame of the training clips in memory, pairs and windows drawn per step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from semo.clips import ClipSet
from semo.codec import Codec
from semo.media import to_float
from semo.train.settings import AugmentSettings


def step_generator(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """The random stream of one training step: resuming at step k draws what an unbroken run draws."""
    state = np.random.SeedSequence([seed, step, stream]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 32 | int(state[1]))


@dataclass(frozen=True)
class Part:
    """One of `count` equal parts of every batch, with random streams of its own.

    A run is defined by its number of parts; how many processes compute them, and in which order, changes nothing.
    """

    index: int = 0
    count: int = 1

    def size(self, batch: int) -> int:
        """Samples of this part of a batch."""
        return batch // self.count

    def generator(self, seed: int, step: int) -> torch.Generator:
        """The random stream of this part of a step; part 0 has that of the undivided batch."""
        return step_generator(seed, step, stream=self.index * NAMED_STREAMS)


NAMED_STREAMS = 1024  # streams below are those that stages draw once, by their own numbers
WHOLE = Part()
Place = tuple[int, Part]  # where in the training a batch belongs: its step, and which part of it


class FrameBank:
    """All frames of the training split: uint8 (T, H, W, 3) per clip, grouped by dataset.

    With a codec that is not `light` the bank also holds the fp16 latents of every frame.
    """

    def __init__(self, groups: Sequence[dict[str, np.ndarray]], audio: dict[str, np.ndarray] | None = None):
        self.names = [name for group in groups for name in group]
        if not self.names:
            raise ValueError("the training data hold no clip of the split 'train'; check the dataset's manifest")
        self.clips = [torch.from_numpy(group[name]) for group in groups for name in group]
        bounds = np.cumsum([0, *(len(group) for group in groups)])
        self.groups = [np.arange(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True) if b > a]
        self.audio = audio or {}
        self.latents: list[Tensor] | None = None

    @classmethod
    def read(cls, folders: Sequence[Path], with_audio: bool = False) -> FrameBank:
        """The training split of every prepared dataset folder, or all of a folder of rendered `shard_*.npz`."""
        groups, audio = [], {}
        for folder in folders:
            if shards := sorted(Path(folder).glob("shard_*.npz")):
                groups.append(_read_shards(shards))
                continue
            clips = ClipSet(folder)
            chosen = clips.select("train")
            groups.append({clip.clip: clips.frames(clip) for clip in chosen})
            if with_audio:
                audio |= {clip.clip: clips.audio(clip) for clip in chosen if clip.has_audio}
        return cls(groups, audio)

    @property
    def encoded(self) -> bool:
        """Whether draws are latents rather than frames."""
        return self.latents is not None

    @property
    def frame_size(self) -> int:
        """Side of the frames in pixels."""
        return self.clips[0].shape[1]

    def fit(self, codec: Codec) -> Codec:
        """Measure the statistics of a fresh codec on frames of the bank."""
        return codec.fit(self.sample_frames(256)) if hasattr(codec, "fit") else codec

    def prepare(self, codec: Codec, device: str) -> None:
        """Encode every frame once where the codec is too slow for the loop."""
        if not codec.light:
            codec.to(device)
            self.encode(codec, torch.device(device))

    def encode(self, codec: Codec, device: torch.device, batch: int = 32) -> None:
        """Fill `latents` once for a codec that is too slow for the training loop."""
        self.latents = []
        for clip in self.clips:
            chunks = [codec.encode(to_float(part.numpy()).to(device)).half().cpu() for part in clip.split(batch)]
            self.latents.append(torch.cat(chunks))

    def sample_frames(self, count: int, seed: int = 0) -> Tensor:
        """`count` random frames (count, 3, H, W) in [0, 1], to fit a codec."""
        generator = step_generator(seed, 0, stream=7)
        clips = torch.randint(len(self.clips), (count,), generator=generator).tolist()
        picks = [self.clips[i][int(torch.randint(len(self.clips[i]), (1,), generator=generator))] for i in clips]
        return to_float(torch.stack(picks).numpy())

    def choose_clips(self, batch: int, generator: torch.Generator, minimum: int = 1) -> list[int]:
        """Clip indices: dataset uniformly (paper section 4.1), then clip uniformly among those long enough."""
        usable = [[i for i in group if len(self.clips[i]) >= minimum] for group in self.groups]
        usable = [group for group in usable if group]
        if not usable:
            raise ValueError(f"no training clip has {minimum} frames; shorten the window or prepare longer clips")
        groups = torch.randint(len(usable), (batch,), generator=generator).tolist()
        return [usable[g][int(torch.randint(len(usable[g]), (1,), generator=generator))] for g in groups]

    def pairs(self, batch: int, generator: torch.Generator) -> tuple[list[int], Tensor, Tensor]:
        """Clip indices, reference and target frame of each: independent uniform frames of one clip."""
        clips = self.choose_clips(batch, generator)
        draws = torch.rand(batch, 2, generator=generator)
        lengths = torch.tensor([len(self.clips[i]) for i in clips])
        frames = (draws * lengths[:, None]).long()
        return clips, frames[:, 0], frames[:, 1]

    def windows(self, batch: int, length: int, generator: torch.Generator) -> tuple[list[int], Tensor, Tensor]:
        """Clip indices, a reference frame and the start of `length` consecutive frames of each."""
        clips = self.choose_clips(batch, generator, minimum=length)
        draws = torch.rand(batch, 2, generator=generator)
        lengths = torch.tensor([len(self.clips[i]) for i in clips])
        return clips, (draws[:, 0] * lengths).long(), (draws[:, 1] * (lengths - length + 1)).long()

    def draw_pairs(
        self, size: int, generator: torch.Generator, place: Place | None = None
    ) -> tuple[list[str], Tensor]:
        """Clip names, and reference and target of each (size, 2, ...) as `gather` gives them; `place` is not needed."""
        clips, reference, target = self.pairs(size, generator)
        return [self.names[i] for i in clips], self.gather(clips, torch.stack([reference, target], dim=1))

    def draw_windows(
        self, size: int, length: int, generator: torch.Generator, place: Place | None = None
    ) -> tuple[list[str], Tensor]:
        """Clip names, and a reference followed by `length` consecutive frames of each (size, 1 + length, ...)."""
        clips, reference, start = self.windows(size, length, generator)
        frames = torch.cat([reference[:, None], start[:, None] + torch.arange(length)], dim=1)
        return [self.names[i] for i in clips], self.gather(clips, frames)

    def gather(self, clips: list[int], frames: Tensor) -> Tensor:
        """Frames (B, K) of clips (B) -> float (B, K, 3, H, W) in [0, 1], or their latents where those are cached."""
        if self.latents is not None:
            return torch.stack([self.latents[i][f] for i, f in zip(clips, frames, strict=True)]).float()
        stacked = torch.stack([self.clips[i][f] for i, f in zip(clips, frames, strict=True)])
        return stacked.permute(0, 1, 4, 2, 3).float().div_(255)


def _read_shards(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Clips of shards with `frames` uint8 (P, T, S, S, 3) and `identity` (P,)."""
    clips: dict[str, np.ndarray] = {}
    for path in paths:
        with np.load(path) as shard:
            clips |= {f"id{i}": frames for i, frames in zip(shard["identity"], shard["frames"], strict=True)}
    return clips


def augment(frames: Tensor, settings: AugmentSettings, progress: float, generator: torch.Generator) -> Tensor:
    """Augment pairs or clips (B, K, 3, H, W) in [0, 1]; `progress` in [0, 1] is the share of training done."""
    batch, count = frames.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    flip = torch.rand(batch, generator=generator) < settings.flip
    frames = torch.where(flip[:, None, None, None, None], frames.flip(-1), frames)
    if settings.colour:
        gain = 1 + settings.colour / 2 * uniform(batch, 1, 3, 1, 1)
        frames = (frames * gain + settings.colour / 4 * uniform(batch, 1, 3, 1, 1)).clamp(0, 1)
    own = settings.motion + (settings.motion_end - settings.motion) * progress
    if not (settings.crop or own):
        return frames
    zoom = 1 - settings.crop * torch.rand(batch, 1, generator=generator)
    shift = uniform(batch, 1, 2) * (1 - zoom)[..., None]
    zoom = zoom * (1 + own * uniform(batch, count))
    shift = shift + own * uniform(batch, count, 2)
    turn = own * uniform(batch, count)
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    matrix = torch.stack([cos, -sin, shift[..., 0], sin, cos, shift[..., 1]], dim=-1).view(-1, 2, 3)
    flat = frames.flatten(0, 1)
    grid = F.affine_grid(matrix, list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(frames)
