"""HDTF's published lists (MRzzm/HDTF, CC BY 4.0): brought here from one fixed commit, and read with all their flaws.

Three groups (RD, WDA, WRA) of five files: pages, times, crop windows, zoom factors and picture sizes, joined by name.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from semo.datasets import PROJECT
from semo.errors import DatasetError
from semo.prepare import file_sha256
from semo.registry import WeightFile, download

LISTS_FILE = PROJECT / "workflow" / "config" / "hdtf_lists.yaml"
GROUPS = ("RD", "WDA", "WRA")
KINDS = ("video_url", "annotion_time", "crop_wh", "resolution")
WIDEST = 16 / 9  # a picture wider than this times its height is not among them


@dataclass(frozen=True)
class Interval:
    """A stretch in which one person talks: seconds of the video; `crop` (x, y, side) in a picture of `lines` rows.

    `index` counts the stretches of a video as the lists do, from 0.
    """

    index: int
    start: float
    end: float
    crop: tuple[int, int, int] | None


@dataclass(frozen=True)
class Video:
    """One video of the lists. `lines`: picture rows of the video the authors had; None where they state none."""

    group: str
    name: str
    url: str
    lines: int | None
    intervals: tuple[Interval, ...]

    @property
    def stem(self) -> str:
        return f"{self.group}_{self.name}"


@dataclass(frozen=True)
class Problem:
    """Something in the lists that does not fit, and what follows from it."""

    where: str
    what: str


def obtain_lists(folder: Path, registry: Path = LISTS_FILE) -> Path:
    """Bring the lists into `folder`, from $SEMO_DATASETS/hdtf or their repository, checked. Raises DatasetError."""
    entry = yaml.safe_load(registry.read_text())
    mirror = Path(os.environ["SEMO_DATASETS"]) / "hdtf" if os.environ.get("SEMO_DATASETS") else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in entry["files"].items():
            _obtain_list(folder / name, sha256, f"{entry['url']}/{name}", mirror)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written ({error.strerror})") from error
    return folder


def _obtain_list(target: Path, sha256: str, url: str, mirror: Path | None) -> None:
    if target.is_file():
        if file_sha256(target) != sha256:
            raise DatasetError(f"{target}: is not the published list; remove it to have it downloaded again")
    elif mirror is not None and (mirror / target.name).is_file() and file_sha256(mirror / target.name) == sha256:
        shutil.copyfile(mirror / target.name, target)
    else:
        try:
            download(WeightFile(target.name, url, sha256=sha256), target)
        except DatasetError as error:
            reason = re.split(r"; (?:connect|run again|free)", str(error))[0]
            raise DatasetError(f"{reason}; connect this machine, or place HDTF's lists in {target.parent}") from error


def read_lists(folder: Path) -> tuple[list[Video], list[Problem]]:
    """All videos of the lists that have a page and at least one stretch, sorted, and every flaw met on the way.

    Byte-order marks, blank lines, trailing blanks and missing ends of line are read over. A stretch without a usable
    crop window keeps `crop` None: its face is to be found by a detector. Raises DatasetError for a missing list.
    """
    problems: list[Problem] = []
    videos = [video for group in GROUPS for video in _read_group(folder, group, problems)]
    if not videos:
        raise DatasetError(f"{folder}: its lists name no video")
    return sorted(videos, key=lambda video: video.stem), problems


def _read_group(folder: Path, group: str, problems: list[Problem]) -> list[Video]:
    pages, times, crops, sizes = (_table(folder / f"{group}_{kind}.txt", problems) for kind in KINDS)
    for name in times.keys() - pages.keys():
        problems.append(Problem(f"{group}_{name}", "has times but no page: left out"))
    videos = []
    for name, cells in pages.items():
        stem = f"{group}_{name}"
        if not re.match(r"https?://\S+$", cells[0]):
            problems.append(Problem(stem, f"its page {cells[0]!r} is no address: left out"))
        elif name not in times:
            problems.append(Problem(stem, "has a page but no times: left out"))
        else:
            lines = _lines(stem, sizes.get(name), problems)
            stretches = tuple(_intervals(stem, name, times[name], crops, lines, problems))
            if stretches:
                videos.append(Video(group, name, cells[0], lines, stretches))
    return videos


def _table(path: Path, problems: list[Problem]) -> dict[str, list[str]]:
    """First cell without `.mp4` -> the other cells of its line."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DatasetError(f"{path}: the list cannot be read ({error.strerror}); remove the folder {path.parent} to "
                           "have all lists downloaded again") from error
    table: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, *cells = line.replace("\ufeff", "").split() or [""]
        name = name.removesuffix(".mp4")
        if not name:
            continue
        if not cells or name in table or not re.fullmatch(r"[\w-]+", name):
            why = "has one cell only" if not cells else "is there twice" if name in table else "is no file name"
            problems.append(Problem(f"{path.name}, line {number}", f"{name!r} {why}: the line is left out"))
            continue
        table[name] = cells
    return table


def _lines(stem: str, cells: list[str] | None, problems: list[Problem]) -> int | None:
    if cells and cells[0].isdecimal() and int(cells[0]) > 0:
        return int(cells[0])
    problems.append(Problem(stem, f"its picture size is {cells[0] if cells else 'not stated'}: crop windows not used"))
    return None


def _intervals(stem: str, name: str, cells: list[str], crops: dict[str, list[str]], lines: int | None,
               problems: list[Problem]) -> list[Interval]:
    found = []
    for index, text in enumerate(cells):
        ends = [seconds for part in text.split("-") if (seconds := _seconds(part)) is not None]
        if len(ends) != 2 or text.count("-") != 1 or ends[0] >= ends[1]:
            problems.append(Problem(f"{stem}_{index}", f"{text!r} is no stretch of time: left out"))
            continue
        crop = _crop(f"{stem}_{index}", crops.get(f"{name}_{index}"), lines, problems)
        found.append(Interval(index, ends[0], ends[1], crop))
    return found


def _seconds(text: str) -> float | None:
    """Seconds of `mm:ss` or `hh:mm:ss`."""
    if not re.fullmatch(r"\d+(:\d{1,2}){1,2}", text):
        return None
    total = 0
    for part in text.split(":"):
        total = 60 * total + int(part)
    return float(total)


def _crop(where: str, cells: list[str] | None, lines: int | None,
          problems: list[Problem]) -> tuple[int, int, int] | None:
    """The lists' `min_width width min_height height` as (x, y, side), where it is a square inside the picture."""
    if lines is None:
        return None
    if cells is None:
        why = "has no crop window"
    elif len(cells) != 4 or not all(cell.isdecimal() for cell in cells):
        why = f"its crop window {' '.join(cells)!r} is not four numbers"
    else:
        x, width, y, height = map(int, cells)
        if width == height > 0 and y + height <= lines and x + width <= round(lines * WIDEST):
            return x, y, width
        why = f"its crop window {' '.join(cells)!r} is no square inside {lines} lines"
    problems.append(Problem(where, f"{why}: the face is found by the detector"))
    return None
