"""Many videos from the web into one folder: resumable, each complete or not there, with a record of what is gone."""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from semo.corpora import Options
from semo.corpora.downloader import Downloader, Failed, Gone
from semo.datasets import VIDEO_SUFFIXES
from semo.errors import DatasetError, MediaError
from semo.media import probe
from semo.prepare import file_sha256
from semo.progress import progress
from semo.video_writer import replaced_when_complete

IN_A_ROW = 5  # failures after which the fault is with the connection and not with the videos


@dataclass(frozen=True)
class Wanted:
    """A video to download: the stem of its file, its page, and how many picture rows it should have at most."""

    name: str
    url: str
    lines: int


@dataclass(frozen=True)
class Obtained:
    """A row of obtained.tsv. `sha256` differs between people: sites encode anew."""

    name: str
    file: str
    url: str
    width: int
    height: int
    fps: float
    seconds: float
    sound: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Unavailable:
    """A row of unavailable.tsv: what could not be had, why, and on which day that was found."""

    name: str
    url: str
    date: str
    reason: str


class Fetch:
    """A folder of downloaded videos. One at a time works on it (`semo.corpora.lock`).

    `<name>.<container>` is there when it is complete. `.partial/<name>/` holds what is under way, `.state/<name>.json`
    what is known of each video.
    """

    def __init__(self, folder: Path, downloader: Downloader, options: Options | None = None, today: str | None = None):
        self.folder, self.downloader = folder, downloader
        self.options = options or Options()
        self.today = today or datetime.date.today().isoformat()

    def run(self, wanted: list[Wanted], label: str) -> tuple[list[Obtained], list[Unavailable]]:
        """Obtain every video that is not here yet. Raises DatasetError where some failed for now, at the end."""
        have: list[Obtained] = []
        gone: list[Unavailable] = []
        failed: list[tuple[str, str]] = []
        in_a_row = 0
        with progress(len(wanted), "videos", f"fetch {label}") as bar:
            for item in wanted:
                result = self._known(item)
                if result is None:
                    try:
                        if in_a_row == IN_A_ROW:
                            raise Failed(failed[-1][1])  # not tried any more
                        result = self._fetched(item)
                        in_a_row = 0
                    except Failed as error:
                        failed.append((item.name, str(error)))
                        in_a_row = min(in_a_row + 1, IN_A_ROW)
                        if self.options.accept_missing:
                            result = self._gone(item, f"not downloaded: {error}")
                if isinstance(result, Obtained):
                    have.append(result)
                elif result is not None:
                    gone.append(result)
                bar.advance(1, gone=len(gone), failed=len(failed))
                if in_a_row == IN_A_ROW and not self.options.accept_missing:
                    raise DatasetError(f"{label}: {IN_A_ROW} videos in a row could not be downloaded ({item.name}: "
                                       f"{failed[-1][1]}); {len(have)} of {len(wanted)} are here: look at the "
                                       "connection of this machine, then run again to go on")
        if failed and not self.options.accept_missing:
            raise DatasetError(f"{label}: {len(failed)} of {len(wanted)} videos could not be downloaded this time "
                               f"({failed[0][0]}: {failed[0][1]}); run again to go on, or with --accept-missing to do "
                               "without them")
        return have, gone

    def _gone(self, item: Wanted, reason: str) -> Unavailable:
        row = Unavailable(item.name, item.url, self.today, reason)
        self._note(item.name, {"gone": asdict(row)})
        return row

    def _known(self, item: Wanted) -> Obtained | Unavailable | None:
        """What an earlier run, or somebody who placed the file, brought about; None: it is to be fetched."""
        try:
            state = json.loads((self.folder / ".state" / f"{item.name}.json").read_text())
        except (OSError, ValueError):
            state = {}
        if "gone" in state and state["gone"]["url"] == item.url and not self.options.retry:
            return Unavailable(**state["gone"])
        placed = [path for path in self.folder.glob(f"{item.name}.*")
                  if path.suffix.lower() in VIDEO_SUFFIXES and path.stem == item.name]
        if not placed:
            return None
        known = state.get("obtained", {})
        if known.get("file") == placed[0].name and known.get("bytes") == placed[0].stat().st_size:
            return Obtained(**known)
        try:
            return self._noted(item, placed[0])
        except MediaError as error:
            raise DatasetError(f"{error}; remove the file, then run again to have it downloaded") from error

    def _fetched(self, item: Wanted) -> Obtained | Unavailable:
        partial = self.folder / ".partial" / item.name
        try:
            partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"{partial}: cannot be made ({error.strerror})") from error
        try:
            made = self.downloader(item.url, partial, item.name, item.lines)
        except Gone as error:
            shutil.rmtree(partial, ignore_errors=True)
            return self._gone(item, str(error))
        except DatasetError as error:  # no downloader
            if self.options.accept_missing:
                raise Failed(str(error)) from error
            raise
        try:
            probe(made)
        except MediaError as error:
            made.unlink(missing_ok=True)  # or every further call would take it for complete
            raise Failed(f"the download is damaged: {str(error).removeprefix(f'{made}: ')}") from error
        target = self.folder / made.name
        os.replace(made, target)
        shutil.rmtree(partial, ignore_errors=True)
        return self._noted(item, target)

    def _noted(self, item: Wanted, file: Path) -> Obtained:
        info = probe(file)
        row = Obtained(item.name, file.name, item.url, info.width, info.height, round(info.fps, 3),
                       round(info.duration, 3), "yes" if info.has_audio else "no", file.stat().st_size,
                       file_sha256(file))
        self._note(item.name, {"obtained": asdict(row)})
        return row

    def _note(self, name: str, state: dict) -> None:
        with replaced_when_complete(self.folder / ".state" / f"{name}.json") as partial:
            partial.write_text(json.dumps(state))


def write_rows(path: Path, kind: type, rows: Iterable) -> None:
    """Write dataclass rows as TSV with a header, complete or not at all."""
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    table.writerow(field.name for field in fields(kind))
    for row in rows:
        table.writerow(" ".join(str(value).split()) for value in astuple(row))
    with replaced_when_complete(path) as partial:
        partial.write_text(text.getvalue())
