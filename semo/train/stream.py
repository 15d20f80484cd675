"""Training data out of shards, read in order: what is drawn where is a function of the seed, the step and the part.

Every part of a batch has, for each data set, a stream of clips of its own: the shards of epoch after epoch, permuted,
of which the part takes every `parts`-th, each read from its first clip to its last. `buffer` clips of the stream form
a window; `draws` samples of each of its clips are drawn in one random order, then the next window follows. So a
sample's number alone says where it lies, and a run that resumes opens the files at that place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semo.codec import Codec
from semo.shards.store import INDEX, Index, Shard, ShardClip, Statistics, StoredClip, read_shard
from semo.train.data import FrameBank, Part, Place

BUFFER = 256  # clips: at 256 px, 10 s and 4 channels of latents half a gigabyte
DRAWS = 8     # samples of a clip before the next is read
KEPT = 8      # clips of each data set kept in memory, for reports and the fit of a codec


@dataclass(frozen=True)
class Window:
    """Clips of a stream, and the samples drawn of them: number of the clip (n,), three uniform numbers (n, 3)."""

    clips: list[StoredClip]
    order: np.ndarray
    uniform: np.ndarray


class Stream:
    """The clips of one data set that one part of the batches sees, those that `usable` accepts."""

    def __init__(self, index: Index, usable: Callable[[ShardClip], bool], part: Part, seed: Sequence[int],
                 buffer: int, draws: int, audio: bool):
        self.index, self.part, self.seed, self.draws, self.audio = index, part, tuple(seed), draws, audio
        self.numbers = [[i for i, clip in enumerate(shard.clips) if usable(clip)] for shard in index.shards]
        self.buffer = min(buffer, sum(map(len, self.numbers)))
        self._order: list[int] = []  # shards of this part, one after another
        self._first = [0]            # number of the stream's clips before each of them
        self._epochs = 0

    def __bool__(self) -> bool:
        return self.buffer > 0

    def _extend(self) -> None:
        """One more epoch of shards; the part takes its share of the endless sequence of all epochs."""
        order = np.random.default_rng([*self.seed, self._epochs]).permutation(len(self.numbers))
        begun = self._epochs * len(order)
        for shard in order[(self.part.index - begun) % self.part.count :: self.part.count].tolist():
            self._order.append(shard)
            self._first.append(self._first[-1] + len(self.numbers[shard]))
        self._epochs += 1

    def clips(self, first: int, count: int) -> list[StoredClip]:
        """`count` clips of the stream from number `first` on, read from the shards in order."""
        found: list[StoredClip] = []
        while self._first[-1] < first + count:
            self._extend()
        place = bisect_right(self._first, first) - 1
        while len(found) < count:
            shard, skip = self._order[place], max(0, first - self._first[place])
            wanted = self.numbers[shard][skip : skip + count - len(found)]
            if wanted:
                found += self._read(self.index.shards[shard], wanted)
            place += 1
        return found

    def _read(self, shard: Shard, wanted: list[int]) -> list[StoredClip]:
        chosen = set(wanted)
        numbers = range(wanted[0], wanted[-1] + 1)
        clips = read_shard(shard, self.index.settings.content, numbers, self.audio)
        return [clip for number, clip in zip(numbers, clips, strict=True) if number in chosen]

    def window(self, number: int) -> Window:
        """Window `number` of the stream."""
        size = self.buffer * self.draws
        rng = np.random.default_rng([*self.seed, self.part.index, number, 1])
        order = rng.permutation(size) // self.draws
        return Window(self.clips(number * self.buffer, self.buffer), order, rng.random((size, 3)))


class Reader:
    """A stream with its present window in memory, and the next one on its way."""

    def __init__(self, stream: Stream, pool: ThreadPoolExecutor):
        self.stream, self._pool = stream, pool
        self._number, self._window = -1, None
        self._next: tuple[int, Future[Window]] | None = None

    def sample(self, number: int) -> tuple[StoredClip, np.ndarray]:
        """Sample `number` of the stream: its clip, and three uniform numbers to choose frames by."""
        at, offset = divmod(number, self.stream.buffer * self.stream.draws)
        if at != self._number:
            ahead = self._next[1].result() if self._next and self._next[0] == at else None
            self._number, self._window = at, ahead or self.stream.window(at)
            self._next = (at + 1, self._pool.submit(self.stream.window, at + 1))
        window = self._window
        return window.clips[window.order[offset]], window.uniform[offset]


class StreamBank:
    """Sharded training data of several data sets, drawn equally; draws like `FrameBank`, and in exact turns."""

    def __init__(self, indices: Sequence[Index], seed: int, audio: bool = False, buffer: int = BUFFER,
                 draws: int = DRAWS):
        settings = {index.settings for index in indices}
        if len(settings) != 1:
            raise ValueError("the data sets were prepared in shards of different settings; prepare them again with "
                             "one preset")
        self.settings = settings.pop()
        self.indices, self.seed, self.audio, self.buffer, self.draws = indices, seed, audio, buffer, draws
        self.encoded = self.settings.content == "latents"
        self._mean, self._std = torch.zeros(1), torch.ones(1)
        self._readers: dict[tuple, list[Reader]] = {}
        self._pool = ThreadPoolExecutor(1)  # one thread, so that shards are read one at a time
        self.kept = self._keep()

    @classmethod
    def read(cls, folders: Sequence[Path], seed: int, audio: bool = False) -> StreamBank:
        """The training data of prepared folders that hold shards."""
        return cls([Index.read(folder) for folder in folders], seed, audio)

    @property
    def frame_size(self) -> int:
        """Side of the frames in pixels."""
        return self.settings.frame_size

    @property
    def statistics(self) -> Statistics:
        """Sums of all latents, each data set counting by its size."""
        return sum((index.statistics for index in self.indices), Statistics())

    def _keep(self) -> FrameBank:
        """A few clips of each data set in memory."""
        groups = []
        for index in self.indices:
            stream = Stream(index, lambda clip: True, Part(), (self.seed, 9), KEPT, 1, False)
            found = stream.clips(0, stream.buffer) if stream else []
            groups.append({clip.clip: clip.frames.copy() for clip in found})
        return FrameBank(groups)

    def fit(self, codec: Codec) -> Codec:
        """Statistics of a fresh codec: of all latents, or from frames kept in memory."""
        if self.encoded:
            mean, std = (torch.from_numpy(values).float() for values in self.statistics.mean_std())
            return codec.standardise(mean, std)
        return codec.fit(self.kept.sample_frames(256)) if hasattr(codec, "fit") else codec

    def prepare(self, codec: Codec, device: str) -> None:
        """Draw what this codec would make of the frames. Raises ValueError where the shards are of another one."""
        if codec.light == self.encoded or (self.encoded and codec.kind != self.settings.codec):
            holds = f"latents of the codec {self.settings.codec}" if self.encoded else "frames"
            raise ValueError(f"the shards hold {holds} and the model works with the codec {codec.kind}; prepare them "
                             "again with its preset")
        if self.encoded:
            self._mean, self._std = codec.mean.cpu(), codec.std.cpu()
            self.kept.latents = [self._standard(clip) for clip in self.kept.clips]

    def _standard(self, latents: Tensor) -> Tensor:
        return (latents.float() - self._mean) / self._std

    def _reader(self, part: Part, shortest: int, sounding: bool) -> list[Reader]:
        """One reader for each data set that has a usable clip."""
        key = (part, shortest, sounding)
        if key not in self._readers:
            def usable(clip: ShardClip) -> bool:
                return clip.frames >= shortest and (clip.has_audio or not sounding)

            streams = [Stream(index, usable, part, (self.seed, number), self.buffer, self.draws, self.audio)
                       for number, index in enumerate(self.indices)]
            self._readers[key] = [Reader(stream, self._pool) for stream in streams if stream]
            if not self._readers[key]:
                raise ValueError(f"no training clip has {shortest} frames{' and sound' * sounding}; shorten the window "
                                 "or prepare longer clips")
        return self._readers[key]

    def samples(self, size: int, place: Place, shortest: int = 1,
                sounding: bool = False) -> list[tuple[StoredClip, np.ndarray]]:
        """The `size` samples of a part of a step, data sets in turn: clip, and three uniform numbers."""
        step, part = place
        readers = self._reader(part, shortest, sounding)
        numbers = range(step * size, (step + 1) * size)
        return [readers[n % len(readers)].sample(n // len(readers)) for n in numbers]

    def draw_pairs(self, size: int, generator: torch.Generator, place: Place | None = None) -> tuple[list[str], Tensor]:
        """As `FrameBank.draw_pairs`; without a place out of the clips kept in memory, by the generator."""
        if place is None:
            return self.kept.draw_pairs(size, generator)
        drawn = self.samples(size, place)
        picked = [clip.frames[(uniform[:2] * len(clip.frames)).astype(int)] for clip, uniform in drawn]
        return [clip.clip for clip, _ in drawn], self.to_float(picked)

    def draw_windows(
        self, size: int, length: int, generator: torch.Generator, place: Place | None = None
    ) -> tuple[list[str], Tensor]:
        """As `FrameBank.draw_windows`."""
        if place is None:
            return self.kept.draw_windows(size, length, generator)
        drawn = self.samples(size, place, shortest=length)
        picked = []
        for clip, uniform in drawn:
            start = int(uniform[1] * (len(clip.frames) - length + 1))
            reference = int(uniform[0] * len(clip.frames))
            picked.append(np.concatenate([clip.frames[reference : reference + 1], clip.frames[start : start + length]]))
        return [clip.clip for clip, _ in drawn], self.to_float(picked)

    def to_float(self, picked: list[np.ndarray]) -> Tensor:
        """Latents (B, K, c, h, w), standardised, or frames (B, K, 3, S, S) in [0, 1]."""
        stacked = torch.from_numpy(np.stack(picked))
        return self._standard(stacked) if self.encoded else stacked.permute(0, 1, 4, 2, 3).float().div_(255)


def is_sharded(folders: Sequence[Path]) -> bool:
    """Whether the folders hold shards; ValueError where only some do."""
    found = [(Path(folder) / INDEX).is_file() for folder in folders]
    if any(found) and not all(found):
        other = folders[found.index(False)]
        raise ValueError(f"{other} is not prepared in shards, as the other data sets are; prepare it like them")
    return all(found)
