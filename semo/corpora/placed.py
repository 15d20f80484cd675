"""Data sets that their owners give out on application: what the user placed is looked over before anything reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from semo.corpora.fetching import write_rows
from semo.datasets import VIDEO_SUFFIXES, Dataset
from semo.errors import DatasetError

ARCHIVES = frozenset(".zip .tar .gz .tgz .rar .7z .z01 .001".split())


@dataclass(frozen=True)
class PlacedFile:
    """A row of files.tsv: a video that was placed, and its size, by which a later loss is noticed."""

    file: str
    bytes: int


@dataclass(frozen=True)
class StrangeFile:
    """A row of strange.tsv: a video that lies where the layout has none; it is not used."""

    file: str


def look_over(dataset: Dataset, record: Path, layout: re.Pattern[str], example: str,
              hints: dict[str, str]) -> tuple[list[PlacedFile], list[StrangeFile]]:
    """List the videos whose path below the folder matches `layout`, into files.tsv, and others into strange.tsv.

    Raises DatasetError where there is no such folder, nothing in it, only archives, nothing of the layout (`hints`:
    regular expression on a path -> what is wrong with a folder that has it), an empty file, or fewer files than an
    earlier run recorded.
    """
    folder = dataset.folder
    if not folder.is_dir():
        raise DatasetError(f"data set {dataset.id}: make the folder {folder} and place the videos of {dataset.page} "
                           f"there, such as {example} ({dataset.licence})")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    videos = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths
              if path.suffix.lower() in VIDEO_SUFFIXES]
    files = [PlacedFile(name, size) for name, size in videos if layout.fullmatch(name)]
    strange = [StrangeFile(name) for name, _ in videos if not layout.fullmatch(name)]
    if not files:
        raise DatasetError(f"data set {dataset.id}: {_wrong(folder, paths, [name for name, _ in videos], hints)}; its "
                           f"files must lie as {folder / example}")
    empty = [file.file for file in files if file.bytes == 0]
    if empty:
        raise DatasetError(f"data set {dataset.id}: {len(empty)} files are empty, such as {folder / empty[0]}; unpack "
                           "or copy them again")
    _check_earlier(dataset, record / "files.tsv", {file.file: file.bytes for file in files})
    write_rows(record / "files.tsv", PlacedFile, files)
    write_rows(record / "strange.tsv", StrangeFile, strange)
    return files, strange


def _wrong(folder: Path, paths: list[Path], videos: list[str], hints: dict[str, str]) -> str:
    for pattern, what in hints.items():
        example = next((name for name in videos if re.search(pattern, name)), None)
        if example:
            return f"{folder / example}: {what}"
    archive = next((path for path in paths if path.suffix.lower() in ARCHIVES), None)
    if archive:
        return f"{archive} is still packed, unpack it there"
    return f"{folder / videos[0]} lies where the layout has no file" if videos else f"{folder} holds no videos"


def _check_earlier(dataset: Dataset, table: Path, files: dict[str, int]) -> None:
    """What was there before must still be there, in its size: a copy or a disk may have lost it."""
    if not table.is_file():
        return
    for line in table.read_text().splitlines()[1:]:
        name, size = line.split("\t")
        if files.get(name) != int(size):
            found = f"has {files[name]} bytes" if name in files else "is no longer there"
            raise DatasetError(f"data set {dataset.id}: {dataset.folder / name} {found}, an earlier run saw {size} "
                               f"bytes; restore it, or remove {table} if that is meant")
