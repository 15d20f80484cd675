"""One shard: a plain tar in the layout of WebDataset, written at once, read from its first byte to its last.

Members of a clip follow each other: `<clip>.json` (its row of manifest.tsv), `<clip>.latents.npy` float16 (T, c, h, w)
as the codec makes them, unstandardised, or `<clip>.frames.npy` uint8 (T, S, S, 3), and `<clip>.audio.npy` float16
(2 T, d) where the clip has sound. `shards.json` of a data set's folder lists shards, clips and statistics.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semo.errors import DatasetError

INDEX = "shards.json"


@dataclass(frozen=True)
class StoreSettings:
    """What the shards of one store have in common. `codec`: of latents, None where frames are stored."""

    frame_size: int
    codec: str | None
    codec_path: str | None
    audio: str
    audio_path: str | None

    @property
    def content(self) -> str:
        """`frames` or `latents`."""
        return "latents" if self.codec else "frames"


@dataclass(frozen=True)
class ShardClip:
    """What the index knows of a clip: enough to plan draws without opening a shard."""

    clip: str
    frames: int
    has_audio: bool


@dataclass(frozen=True)
class StoredClip:
    """A clip out of a shard: latents (T, c, h, w) or frames (T, S, S, 3), and audio features (2 T, d) or None."""

    clip: str
    frames: np.ndarray
    audio: np.ndarray | None


@dataclass(frozen=True)
class Shard:
    """A shard by its file, its size in bytes and the clips in it, in order."""

    path: Path
    bytes: int
    clips: tuple[ShardClip, ...]


def _array_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def _array(data: bytes) -> np.ndarray:
    """A read-only view of the bytes of an .npy file; objects are refused."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject or fortran:
        raise ValueError("holds objects, or columns first")
    return np.frombuffer(data, dtype, int(np.prod(shape)), stream.tell()).reshape(shape)


class ShardWriter:
    """Adds clips to a tar whose bytes depend on the clips alone."""

    def __init__(self, path: Path):
        self._tar = tarfile.open(path, "w:", format=tarfile.PAX_FORMAT)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *raised: object) -> None:
        self._tar.close()

    def add(self, about: dict[str, Any], content: str, frames: np.ndarray, audio: np.ndarray | None) -> None:
        """Write one clip; `about` is its manifest row, `content` the name of `frames` (see StoreSettings)."""
        clip = about["clip"]
        if "." in clip or "/" in clip:
            raise DatasetError(f"clip {clip!r}: a name with a dot or slash cannot be stored in a shard; rename it")
        self._member(f"{clip}.json", json.dumps(about).encode())
        self._member(f"{clip}.{content}.npy", _array_bytes(frames))
        if audio is not None:
            self._member(f"{clip}.audio.npy", _array_bytes(audio.astype(np.float16)))

    def _member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))


def read_shard(shard: Shard, content: str, wanted: range | None = None, audio: bool = False) -> Iterator[StoredClip]:
    """The clips of a shard in order, or those with numbers in `wanted`; the others are skipped without being read.

    Raises DatasetError for a shard that is missing, cut off, or not the one that the index lists.
    """
    again = "prepare this shard again: delete its folder and rerun the workflow"
    try:
        size = shard.path.stat().st_size
        if size != shard.bytes:
            raise DatasetError(f"{shard.path}: has {size} bytes where its index says {shard.bytes}; {again}")
        with tarfile.open(shard.path, "r:") as tar:
            groups = _groups(tar)
            for number, clip in enumerate(shard.clips):
                name, members = next(groups, ("", {}))
                if name != clip.clip:
                    raise DatasetError(f"{shard.path}: holds {name or 'nothing'} where its index says {clip.clip}; "
                                       f"{again}")
                if wanted is not None and number not in wanted:
                    if number >= wanted.stop:
                        return
                    continue
                sound = members.get("audio.npy") if audio else None
                yield StoredClip(name, _read(tar, members[f"{content}.npy"]), _read(tar, sound) if sound else None)
    except (OSError, tarfile.TarError, EOFError, KeyError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{shard.path}: cannot be read ({error}); {again}") from error


def _groups(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Members by clip: what stands before the first dot of their name."""
    name, members = "", {}
    while (member := tar.next()) is not None:
        key, _, kind = member.name.partition(".")
        if key != name:
            if members:
                yield name, members
            name, members = key, {}
        members[kind] = member
        tar.members = []  # else the archive remembers every member
    if members:
        yield name, members


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> np.ndarray:
    tar.fileobj.seek(member.offset_data)
    data = tar.fileobj.read(member.size)
    if len(data) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return _array(data)


@dataclass(frozen=True)
class Statistics:
    """Sums over all values of each latent channel, so that those of shards add up; empty for frames."""

    count: int = 0
    sums: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()

    @classmethod
    def of(cls, latents: np.ndarray) -> Statistics:
        """Of latents (T, c, h, w)."""
        values = latents.astype(np.float64)
        return cls(values.size // values.shape[1], tuple(values.sum((0, 2, 3))), tuple((values**2).sum((0, 2, 3))))

    def __add__(self, other: Statistics) -> Statistics:
        if not self.count or not other.count:
            return self if self.count else other
        return Statistics(self.count + other.count, tuple(np.add(self.sums, other.sums)),
                          tuple(np.add(self.squares, other.squares)))

    def mean_std(self) -> tuple[np.ndarray, np.ndarray]:
        """float64 (c,) mean and deviation."""
        mean = np.array(self.sums) / self.count
        return mean, np.sqrt(np.maximum(np.array(self.squares) / self.count - mean**2, 0))


@dataclass(frozen=True)
class Index:
    """shards.json: the store of one data set."""

    settings: StoreSettings
    statistics: Statistics
    shards: tuple[Shard, ...]

    def write(self, path: Path) -> None:
        rows = [{"path": s.path.relative_to(path.parent).as_posix(), "bytes": s.bytes,
                 "clips": [[c.clip, c.frames, c.has_audio] for c in s.clips]} for s in self.shards]
        path.write_text(json.dumps({"settings": asdict(self.settings), "statistics": asdict(self.statistics),
                                    "shards": rows}) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Index:
        """The index of a prepared data set's folder. Raises DatasetError."""
        try:
            data = json.loads((folder / INDEX).read_text())
            statistics = {k: tuple(v) if isinstance(v, list) else v for k, v in data["statistics"].items()}
            shards = tuple(Shard(folder / row["path"], row["bytes"], tuple(ShardClip(*clip) for clip in row["clips"]))
                           for row in data["shards"])
            return cls(StoreSettings(**data["settings"]), Statistics(**statistics), shards)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{folder / INDEX}: cannot be read ({error}); gather the shards again") from error
