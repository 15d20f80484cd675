"""Prepared clips of a data set: the manifest, and quick access to frames, sound and ground truth.

`python -m semo.clips --dataset ID --frame-size 64 --out results/clips/ID` prepares them (`semo.prepare`); `ClipSet`
reads the folder it wrote.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from semo.errors import MediaError
from semo.media import FPS, RATE, read_audio, read_frames
from semo.video_writer import replaced_when_complete

SPLITS = ("train", "test", "seen")


@dataclass(frozen=True)
class Clip:
    """One row of manifest.tsv. `path` is the source file below the data set's folder, `start` in seconds of it.

    `frames` counts at `fps` (25); `x, y, size` is the square crop in source pixels; `sha256` is the source file's.
    Splits: `train` people are only trained on, `test` people only tested, `seen` are unseen clips of training people.
    """

    clip: str
    identity: str
    split: str
    path: str
    start: float
    frames: int
    fps: float
    x: int
    y: int
    size: int
    has_audio: bool
    sha256: str
    licence: str


@dataclass(frozen=True)
class CrossPair:
    """Cross-identity truth: the person of `source_clip` making the motion of `driving_clip`, frame by frame."""

    pair: str
    source_clip: str
    driving_clip: str
    path: str
    frames: int


@dataclass(frozen=True)
class Refusal:
    """A source file (below the data set's folder) that became no clip, and why."""

    path: str
    reason: str


Row = TypeVar("Row", Clip, CrossPair, Refusal)
_PARSERS = {"str": str, "int": int, "float": float, "bool": lambda text: {"true": True, "false": False}[text]}


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return re.sub(r"\s+", " ", f"{value:.6g}" if isinstance(value, float) else str(value))


def write_table(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write dataclass rows as TSV with a header, complete or not at all."""
    lines = ["\t".join(field.name for field in fields(kind))]
    lines += ["\t".join(_cell(value) for value in astuple(row)) for row in rows]
    with replaced_when_complete(path) as partial:
        partial.write_text("\n".join(lines) + "\n")


def read_table(path: Path, kind: type[Row]) -> list[Row]:
    """Read what `write_table` wrote. Raises MediaError naming line and column of a value that does not fit."""
    rows = []
    names = {field.name: str(field.type) for field in fields(kind)}
    reader = csv.DictReader(io.StringIO(path.read_text()), delimiter="\t", quoting=csv.QUOTE_NONE)
    if set(reader.fieldnames or ()) != set(names):
        raise MediaError(f"{path}: its columns are {reader.fieldnames}, expected {list(names)}; "
                         "prepare the clips again")
    for line, row in enumerate(reader, start=2):
        values = {}
        for name, kind_name in names.items():
            try:
                values[name] = _PARSERS[kind_name](row[name])
            except (ValueError, KeyError, TypeError) as error:
                raise MediaError(f"{path}: line {line}, column {name}: {row[name]!r} is no {kind_name}") from error
        rows.append(kind(**values))
    return rows


class ClipSet:
    """A folder of prepared clips. Raises MediaError if it is missing or incomplete."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        manifest = self.folder / "manifest.tsv"
        if not manifest.is_file():
            raise MediaError(f"{self.folder}: holds no manifest.tsv; prepare the clips with `python -m semo.clips`")
        self.clips: list[Clip] = read_table(manifest, Clip)
        self.sha256 = hashlib.sha256(manifest.read_bytes()).hexdigest()
        about = json.loads((self.folder / "dataset.json").read_text())
        self.dataset: str = about["dataset"]
        self.frame_size: int = about["frame_size"]
        self._by_id = {clip.clip: clip for clip in self.clips}
        pairs = self.folder / "cross.tsv"
        self.cross: list[CrossPair] = read_table(pairs, CrossPair) if pairs.is_file() else []

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, clip: str) -> Clip:
        try:
            return self._by_id[clip]
        except KeyError:
            raise MediaError(f"{self.folder}: has no clip {clip!r}") from None

    def select(self, split: str) -> list[Clip]:
        """Clips of one split (`train`, `test`, `seen`), in the order of the manifest."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: use {', '.join(SPLITS)}")
        return [clip for clip in self.clips if clip.split == split]

    def video(self, clip: Clip | str) -> Path:
        """The lossless video of a clip: frame_size pixels, 25 fps, with its sound."""
        return self.folder / "clips" / f"{clip if isinstance(clip, str) else clip.clip}.mkv"

    def frames(self, clip: Clip | str, start: int = 0, count: int | None = None) -> np.ndarray:
        """uint8 (T, S, S, 3): `count` frames (all) from frame `start` on."""
        return read_frames(self.video(clip), start=start / FPS, frames=count)

    def audio(self, clip: Clip | str) -> np.ndarray:
        """float32 mono 16 kHz, exactly frames / 25 seconds long. Raises MediaError for a clip without sound."""
        clip = self[clip] if isinstance(clip, str) else clip
        sound = read_audio(self.video(clip))
        length = round(clip.frames / clip.fps * RATE)
        return np.pad(sound[:length], (0, max(0, length - len(sound))))

    def truth(self, clip: Clip | str) -> dict[str, np.ndarray] | None:
        """Ground truth per frame as the data set gives it (pixel positions in source pixels), None where it has none.

        A source pixel p lies at (p - (x, y)) * frame_size / size in the prepared clip.
        """
        path = self.folder / "truth" / f"{clip if isinstance(clip, str) else clip.clip}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as data:
            return dict(data)

    def cross_video(self, pair: CrossPair | str) -> Path:
        """The lossless video of a cross-identity truth."""
        return self.folder / "cross" / f"{pair if isinstance(pair, str) else pair.pair}.mkv"

    def cross_frames(self, pair: CrossPair | str) -> np.ndarray:
        """uint8 (T, S, S, 3) truth of a pair."""
        return read_frames(self.cross_video(pair))


if __name__ == "__main__":
    from semo.prepare import main

    main()
