"""Entries of datasets.yaml, and the candidate clips each kind of source offers."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from semo.clips import SPLITS, Refusal
from semo.detect import ENLARGE
from semo.errors import DatasetError

PROJECT = Path(__file__).resolve().parent.parent
DATASETS_FILE = PROJECT / "workflow" / "config" / "datasets.yaml"
WHERE_PRESENT = "where-present"  # value of `enabled`: only where the folder is there
SOURCES = ("shipped", "folder", "fetched", "restricted")
VIDEO_SUFFIXES = frozenset(".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .wmv".split())


@dataclass(frozen=True)
class SoundLimits:
    """Key `sound` of an entry: what the sound of a clip must be; else the clip is kept without it (`semo.speech`).

    `min_snr` in dB, `min_speech` the share of the clip in which somebody speaks; `vad`: energy | silero.
    """

    min_snr: float = 8.0
    min_speech: float = 0.25
    vad: str = "energy"


@dataclass(frozen=True)
class Dataset:
    """One entry of datasets.yaml; the comments at the top of that file explain the keys."""

    id: str
    source: str
    path: str
    subset: str = ""
    detector: str = "cascade"
    weights: str | None = None
    enlarge: float = ENLARGE
    clip_list: str | None = None
    files: str = ""
    identity: str | None = None
    identity_column: str = "identity"
    split: dict = field(default_factory=dict)
    splits: dict = field(default_factory=dict)
    recipe: str | None = None
    sound: SoundLimits | None = None
    expected: dict = field(default_factory=dict)
    max_seconds: float = 10.0
    min_frames: int = 25
    require_audio: bool = False
    licence: str = "not stated"
    page: str = ""
    enabled: bool = True

    @property
    def folder(self) -> Path:
        """Where the files are: environment variables filled in, relative paths below the project."""
        path = os.path.expandvars(self.path)
        if "$" in path:
            raise DatasetError(f"data set {self.id}: its path {self.path} names an environment variable that is not "
                               "set; set it or give --path")
        return PROJECT / os.path.expanduser(path)


@dataclass(frozen=True)
class Window:
    """A published square crop in pixels of a picture with `lines` rows; None: in the file's own pixels."""

    x: int
    y: int
    size: int
    lines: int | None = None

    def at(self, height: int) -> tuple[int, int, int]:
        """The crop (x, y, size) in a picture of `height` rows."""
        scale = height / self.lines if self.lines else 1.0
        return round(self.x * scale), round(self.y * scale), max(1, round(self.size * scale))


@dataclass(frozen=True)
class Candidate:
    """A stretch of a source file that should become a clip. `frames` None: as many as the data set allows.

    `sha256` is that of a shipped file, where any difference is an error; `source_sha256` what a split file states.
    """

    clip: str
    identity: str
    split: str
    file: Path
    relative: str
    start: float = 0.0
    frames: int | None = None
    sha256: str | None = None
    truth: Path | None = None
    window: Window | None = None
    source_sha256: str | None = None

    @property
    def place(self) -> str:
        """The file, and from which second on where it is not its beginning."""
        return f"{self.relative} from {self.start:g} s" if self.start else self.relative


@dataclass(frozen=True)
class CandidatePair:
    """A shipped video with the cross-identity truth of two clips."""

    pair: str
    source_clip: str
    driving_clip: str
    file: Path
    frames: int


def read_dataset(name: str, file: Path = DATASETS_FILE, path: str | None = None) -> Dataset:
    """One checked entry; `path` overrides its folder and enables it. Raises DatasetError of one sentence."""
    try:
        entries = (yaml.safe_load(Path(file).read_text()) or {}).get("datasets") or {}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{file}: cannot be read as a table of data sets ({reason})") from error
    if name not in entries:
        raise DatasetError(f"{file}: has no data set {name!r}; it has {', '.join(entries) or 'none'}")
    entry: dict[str, Any] = dict(entries[name]) | ({"path": path, "enabled": True} if path else {})
    known = {f.name for f in fields(Dataset)} - {"id"}
    for key in entry:
        if key not in known:
            raise DatasetError(f"{file}: data set {name} has an unknown key {key!r}; known: {', '.join(sorted(known))}")
    for key in ("source", "path"):
        if not entry.get(key):
            raise DatasetError(f"{file}: data set {name} lacks the key {key!r}")
    if entry["source"] not in SOURCES:
        raise DatasetError(f"{file}: data set {name} has the source {entry['source']!r}; use {', '.join(SOURCES)}")
    if entry["source"] == "shipped":
        entry.setdefault("detector", "none")
    for key in ("files", "identity"):
        try:
            re.compile(entry.get(key) or "")
        except re.error as error:
            raise DatasetError(f"{file}: data set {name}: {key} is no regular expression ({error})") from error
    if isinstance(entry.get("sound"), dict):
        entry["sound"] = _sound_limits(entry["sound"], f"{file}: data set {name}")
    if entry.get("splits") and not entry["splits"].get("file"):
        raise DatasetError(f"{file}: data set {name}: splits lacks the key 'file'")
    dataset = Dataset(**{"id": name, "subset": name} | entry)
    return replace(dataset, enabled=_present(dataset.path)) if dataset.enabled == WHERE_PRESENT else dataset


def _sound_limits(entry: dict, where: str) -> SoundLimits:
    known = [f.name for f in fields(SoundLimits)]
    for key in entry:
        if key not in known:
            raise DatasetError(f"{where}: sound has an unknown key {key!r}; known: {', '.join(known)}")
    return SoundLimits(**entry)


def _present(path: str) -> bool:
    filled = os.path.expandvars(path)
    return "$" not in filled and (PROJECT / os.path.expanduser(filled)).is_dir()


def candidates(dataset: Dataset) -> tuple[list[Candidate], list[CandidatePair], list[Refusal]]:
    """All clips a data set may yield, its cross-identity truths, and files already refused without opening them."""
    if not dataset.folder.is_dir():
        page = f"; obtain it from {dataset.page} and place it there" if dataset.page else ""
        raise DatasetError(f"data set {dataset.id}: the folder {dataset.folder} does not exist{page}")
    if dataset.source == "shipped":
        return (*_shipped(dataset), [])
    if dataset.splits:
        from semo.splits import listed

        found, refused = listed(dataset)
    else:
        found, refused = _folder(dataset)
    return found, [], refused


def video_files(dataset: Dataset) -> dict[str, None]:
    """Paths of all videos below the data set's folder that its `files` matches, sorted; hidden ones are left out."""
    folder = dataset.folder
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if _is_video(path.name) and path.is_file())
    return dict.fromkeys(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)
                         and re.search(dataset.files, name.as_posix()))


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter="," if path.suffix == ".csv" else "\t")
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(f"{path}: lacks the column {missing[0]!r}")
            return list(reader)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error


def _shipped(dataset: Dataset) -> tuple[list[Candidate], list[CandidatePair]]:
    folder = dataset.folder
    found = []
    for row in _rows(folder / "corpus.tsv", ("clip", "subset", "identity", "split", "path", "frames", "sha256")):
        if row["subset"] == dataset.subset:
            file = folder / row["path"]
            found.append(Candidate(row["clip"], row["identity"], row["split"], file, row["path"],
                                   frames=int(row["frames"]), sha256=row["sha256"], truth=file.with_suffix(".npz")))
    if not found:
        raise DatasetError(f"{folder / 'corpus.tsv'}: has no clip of the subset {dataset.subset!r}")
    pairs = []
    if (folder / "cross.tsv").is_file():
        for row in _rows(folder / "cross.tsv", ("pair", "subset", "source_clip", "driving_clip", "path", "frames")):
            if row["subset"] == dataset.subset:
                pairs.append(CandidatePair(row["pair"], row["source_clip"], row["driving_clip"], folder / row["path"],
                                           int(row["frames"])))
    return found, pairs


def _folder(dataset: Dataset) -> tuple[list[Candidate], list[Refusal]]:
    folder = dataset.folder
    refused: list[Refusal] = []
    if dataset.clip_list:
        rows = [row for row in _rows(folder / dataset.clip_list, ("file",))
                if _is_video(row["file"]) and re.search(dataset.files, row["file"])]
    else:
        rows = [{"file": name} for name in video_files(dataset)]
    if not rows:
        matching = f" whose path matches {dataset.files}" if dataset.files else ""
        raise DatasetError(f"data set {dataset.id}: {folder} holds no videos{matching}")
    named = []
    for row in rows:
        try:
            named.append((_identity(dataset, row), row))
        except ValueError as error:
            refused.append(Refusal(row["file"], str(error)))
    test_people = draw_test_people({identity for identity, _ in named}, **dataset.split)
    slugs = _slugs({identity for identity, _ in named})
    counts: dict[str, int] = {}
    found = []
    for identity, row in named:
        index = counts[identity] = counts.get(identity, -1) + 1
        try:
            split = row.get("split") or ("test" if identity in test_people else "train")
            if split not in SPLITS:
                raise ValueError(f"unknown split {split!r} in {dataset.clip_list}; use {', '.join(SPLITS)}")
            found.append(Candidate(f"{dataset.subset}-{slugs[identity]}-c{index}", slugs[identity], split,
                                   folder / row["file"], row["file"], float(row.get("start") or 0),
                                   int(row["frames"]) if row.get("frames") else None))
        except ValueError as error:
            refused.append(Refusal(row["file"], str(error)))
    return found, refused


def _is_video(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def _identity(dataset: Dataset, row: dict[str, str]) -> str:
    listed = row.get(dataset.identity_column)
    if listed:
        return listed
    if dataset.identity is None:
        return Path(row["file"]).with_suffix("").as_posix()
    match = re.search(dataset.identity, row["file"])
    groups = [group for group in match.groups() if group] if match else []
    if not groups:
        raise ValueError(f"the identity pattern {dataset.identity} does not match the file's path")
    return groups[0]


def plain_slug(text: str) -> str:
    """Lower-case letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _slugs(identities: set[str]) -> dict[str, str]:
    """Short names for ids and files: letters, digits and hyphens, unique."""
    plain = {identity: plain_slug(identity) for identity in identities}
    clashing = {slug for slug, times in Counter(plain.values()).items() if not slug or times > 1}
    return {identity: f"{slug}-{_hash(identity)[:6]}".lstrip("-") if slug in clashing else slug
            for identity, slug in plain.items()}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def draw_test_people(identities: set[str], test_share: float = 0.1, seed: int = 0) -> set[str]:
    """People only for testing: those whose hash of seed and name falls below `test_share`.

    Adding people moves nobody. Where the share would leave one side empty, the person nearest to it changes sides.
    """
    drawn = {identity: int(_hash(f"{seed}:{identity}")[:12], 16) / 16 ** 12 for identity in identities}
    ranked = sorted(identities, key=lambda identity: drawn[identity])
    chosen = {identity for identity in identities if drawn[identity] < test_share}
    if len(ranked) > 1 and 0 < test_share < 1:
        chosen = chosen or {ranked[0]}
        if len(chosen) == len(ranked):
            chosen.discard(ranked[-1])
    return chosen
