"""Finds the videos of one side of a comparison and pairs two sides by name."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from semo.clips import ClipSet
from semo.errors import DatasetError

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".m4v", ".gif")


@dataclass(frozen=True)
class Video:
    """A video to compare. `name` pairs it with the other side; `truth` gives annotations of its motion or None."""

    name: str
    path: Path
    identity: str
    truth: Callable[[], Mapping[str, np.ndarray] | None]


@dataclass(frozen=True)
class Pairing:
    """Videos both sides have, in the order of their names, and names that only one side has."""

    pairs: list[tuple[Video, Video]]
    only_real: list[str]
    only_fake: list[str]


def find_videos(where: Path, identity: str | None = None) -> dict[str, Video]:
    """Videos by name of a folder, a folder of prepared clips, or a manifest.

    A folder: every video below it, named by its path without the suffix. Prepared clips (`semo.clips`): those of the
    test split, with their people and truth. A manifest (.tsv, .csv): column `path`, relative to the manifest, and
    optionally `clip` (the name; default: the path without suffix) and `identity`. `identity` is a regular expression on
    the name whose group 1 is the person, where nothing else says who it is; without it every video is its own person.
    Raises DatasetError of one sentence.
    """
    person = _person(identity)
    if where.is_file() and where.suffix.lower() in (".tsv", ".csv"):
        found = _listed(where, person)
    elif not where.is_dir():
        raise DatasetError(f"{where}: is neither a folder of videos nor a manifest (.tsv, .csv)")
    elif (where / "manifest.tsv").is_file() and (where / "dataset.json").is_file():
        clips = ClipSet(where)
        found = [
            Video(clip.clip, clips.video(clip), clip.identity, partial(clips.truth, clip.clip))
            for clip in clips.select("test")
        ]
    else:
        paths = sorted(p for p in where.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        names = [path.relative_to(where).with_suffix("").as_posix() for path in paths]
        found = [Video(name, path, person(name), lambda: None) for name, path in zip(names, paths, strict=True)]
    if not found:
        raise DatasetError(f"{where}: holds no video ({', '.join(SUFFIXES)})")
    return _unique(where, found)


def pair_up(real: Mapping[str, Video], fake: Mapping[str, Video]) -> Pairing:
    """Pairs by name. Raises DatasetError where no name is common."""
    common = sorted(real.keys() & fake.keys())
    if not common:
        raise DatasetError(
            f"no video of one side has its name on the other: the first are {min(real)!r} and {min(fake)!r}; pairs are "
            "found by path and name without the suffix"
        )
    return Pairing([(real[n], fake[n]) for n in common], sorted(real.keys() - fake), sorted(fake.keys() - real))


def _person(identity: str | None) -> Callable[[str], str]:
    if identity is None:
        return lambda name: name
    try:
        pattern = re.compile(identity)
    except re.error as error:
        raise DatasetError(f"--identity: {identity!r} is no regular expression ({error})") from error
    if pattern.groups < 1:
        raise DatasetError(f"--identity: {identity!r} has no group in parentheses to name the person")

    def person(name: str) -> str:
        match = pattern.search(name)
        if match is None:
            raise DatasetError(f"--identity: {identity!r} does not match the name {name!r}")
        return match.group(1)

    return person


def _listed(manifest: Path, person: Callable[[str], str]) -> list[Video]:
    delimiter = "\t" if manifest.suffix.lower() == ".tsv" else ","
    with open(manifest, newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    if rows and "path" not in rows[0]:
        raise DatasetError(f"{manifest}: has no column `path`; it has {', '.join(map(str, rows[0]))}")
    found = []
    for line, row in enumerate(rows, start=2):
        if not row["path"]:
            raise DatasetError(f"{manifest}, line {line}: the path is empty")
        name = row.get("clip") or Path(row["path"]).with_suffix("").as_posix()
        who = row.get("identity") or person(name)
        found.append(Video(name, manifest.parent / row["path"], who, lambda: None))
    return found


def _unique(where: Path, found: list[Video]) -> dict[str, Video]:
    by_name: dict[str, Video] = {}
    for video in found:
        if video.name in by_name:
            raise DatasetError(
                f"{where}: {by_name[video.name].path.name} and {video.path.name} are both called {video.name!r}; keep "
                "one of them"
            )
        by_name[video.name] = video
    return by_name
