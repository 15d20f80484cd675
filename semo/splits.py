"""Split files: which clips a data set consists of and which side each is on, as one hashed table kept in git.

    python -m semo.splits make mead --out data/splits/mead.tsv              writes a file anew by its stated rule
    python -m semo.splits freeze results/clips/own --out data/splits/own.tsv   turns a manifest into a split file

Both print the sha256 that the entry in datasets.yaml names beside the file.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from semo.clips import FPS, SPLITS, Clip, Refusal, read_table
from semo.datasets import PROJECT, VIDEO_SUFFIXES, Candidate, Dataset, Window, plain_slug, video_files
from semo.errors import DatasetError, MediaError
from semo.video_writer import replaced_when_complete


@dataclass(frozen=True)
class SplitRow:
    """One row of data/splits/<dataset>.tsv; an empty cell is None.

    `file` lies below the data set's folder. A row without `clip` stands for many whole files: `file` is then a regular
    expression that matches their whole paths, and the first row that matches a file decides. `start` in seconds,
    `frames` at `fps` (25; None: the whole file, up to the data set's max_seconds). `x, y, size`: square crop in pixels
    of a picture with `lines` rows (None: of the file's own; no crop: the face detector finds it). `list` names the
    published lists that have the clip, `ours` where nobody published one. `sha256` is the source file's where known.
    """

    clip: str | None
    identity: str
    split: str
    file: str
    start: float | None = None
    frames: int | None = None
    fps: float = FPS
    x: int | None = None
    y: int | None = None
    size: int | None = None
    lines: int | None = None
    list: str = "ours"
    sha256: str | None = None

    @property
    def window(self) -> Window | None:
        return None if self.size is None else Window(int(self.x or 0), int(self.y or 0), self.size, self.lines)


_COLUMNS = {field.name: str(field.type) for field in fields(SplitRow)}


def write_split(path: Path, rows: list[SplitRow]) -> str:
    """Write the table, complete or not at all; returns its sha256."""
    text = "".join("\t".join(cells) + "\n" for cells in [list(_COLUMNS), *map(_cells, rows)])
    with replaced_when_complete(path) as partial:
        partial.write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def _cells(row: SplitRow) -> list[str]:
    values = (getattr(row, name) for name in _COLUMNS)
    return ["" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value) for value in values]


def read_split(path: Path, sha256: str | None = None) -> list[SplitRow]:
    """Read and check a split file. Raises DatasetError naming file, line and column."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: the split file cannot be read ({error.strerror}); restore it with git") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise DatasetError(f"{path}: its sha256 is {found[:12]}..., datasets.yaml names {sha256[:12]}...; restore it "
                           "with git, or name the new sha256 there if another split is meant")
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(reader.fieldnames or ()) != tuple(_COLUMNS):
        raise DatasetError(f"{path}: its columns are {', '.join(reader.fieldnames or ())}; expected "
                           f"{', '.join(_COLUMNS)}")
    rows = [_parsed(path, line, cells) for line, cells in enumerate(reader, start=2)]
    _check_people(path, rows)
    return rows


def _parsed(path: Path, line: int, cells: dict[str, str]) -> SplitRow:
    values: dict[str, object] = {}
    for name, kind in _COLUMNS.items():
        text = cells[name]
        try:
            if text is None or text == "" and "None" not in kind:
                raise ValueError
            values[name] = None if text == "" else int(text) if "int" in kind else float(text) if "float" in kind \
                else text
        except ValueError:
            raise DatasetError(f"{path}: line {line}, column {name}: {text!r} is no {kind.split()[0]}") from None
    row = SplitRow(**values)  # type: ignore[arg-type]
    if row.split not in SPLITS:
        raise DatasetError(f"{path}: line {line} has the split {row.split!r}; use {', '.join(SPLITS)}")
    if row.fps != FPS:
        raise DatasetError(f"{path}: line {line} counts frames at {row.fps:g} fps; clips are prepared at {FPS:g}")
    if row.clip is None:
        try:
            re.compile(row.file)
        except re.error as error:
            raise DatasetError(f"{path}: line {line}: file is no regular expression ({error})") from None
    return row


def _check_people(path: Path, rows: list[SplitRow]) -> None:
    """Nobody who is tested is trained on, and every clip has its own name."""
    tested = {row.identity for row in rows if row.split == "test"}
    both = sorted(tested & {row.identity for row in rows if row.split != "test"})
    if both:
        raise DatasetError(f"{path}: {both[0]} is both tested and trained on; a person is on one side only")
    names = [row.clip for row in rows if row.clip]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"{path}: two clips are called {twice}")


def listed(dataset: Dataset) -> tuple[list[Candidate], list[Refusal]]:
    """The clips a split file makes of the files that are there, and what it names that is not."""
    path = PROJECT / dataset.splits["file"]
    rows = read_split(path, dataset.splits.get("sha256"))
    here = video_files(dataset)
    by_stem = {Path(name).with_suffix("").as_posix(): name for name in here}
    found: list[Candidate] = []
    absent: dict[str, int] = {}
    for row in rows:
        if row.clip is None:
            continue
        name = row.file if row.file in here else by_stem.get(_stem(row.file))  # the container may be another one
        if name is None:
            absent[row.file] = absent.get(row.file, 0) + 1
        else:
            found.append(_candidate(dataset, row, row.clip, name))
    patterns = [(re.compile(row.file), row) for row in rows if row.clip is None]
    matched = ((name, next((row for pattern, row in patterns if pattern.fullmatch(name)), None)) for name in here)
    found += [_candidate(dataset, row, f"{dataset.subset}-{plain_slug(_stem(name))}", name)
              for name, row in matched if row is not None]
    if not found:
        raise DatasetError(f"data set {dataset.id}: {dataset.folder} holds none of the files that {path.name} names, "
                           f"such as {rows[0].file if rows else 'none'}")
    return found, [Refusal(file, f"not there, {clips} clips lost") for file, clips in sorted(absent.items())]


def _stem(name: str) -> str:
    return name[:-len(Path(name).suffix)] if Path(name).suffix.lower() in VIDEO_SUFFIXES else name


def _candidate(dataset: Dataset, row: SplitRow, clip: str, name: str) -> Candidate:
    return Candidate(clip, row.identity, row.split, dataset.folder / name, name, row.start or 0.0, row.frames,
                     window=row.window, source_sha256=row.sha256)


def frozen(folder: Path) -> list[SplitRow]:
    """The split file that a prepared data set amounts to: its manifest, with the source files' sha256."""
    clips = read_table(folder / "manifest.tsv", Clip)
    return [SplitRow(clip.clip, clip.identity, clip.split, clip.path, clip.start, clip.frames, clip.fps, clip.x, clip.y,
                     clip.size, None, "ours", clip.sha256) for clip in clips]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semo.splits", description="Write a split file.")
    parser.add_argument("action", choices=("make", "freeze"))
    parser.add_argument("source", help="make: recipe of semo/corpora; freeze: folder of prepared clips")
    parser.add_argument("--out", type=Path, required=True, help="the split file")
    options = parser.parse_args(arguments)
    try:
        if options.action == "make":
            from semo.corpora import recipe

            rows = recipe(options.source).split_rows()
        else:
            rows = frozen(Path(options.source))
        digest = write_split(options.out, rows)
        read_split(options.out, digest)
    except (DatasetError, MediaError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{options.out}: {len(rows)} rows, sha256 {digest}")


if __name__ == "__main__":
    main()
