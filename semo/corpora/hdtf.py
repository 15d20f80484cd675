"""HDTF (Zhang et al., CVPR 2021): videos of 17 hours of talk, fetched from their pages by the published lists.

Each video is kept whole, as its site delivers it, and never encoded again: clips are cut out of it, and cropped by the
published windows, when they are prepared (`semo.splits`).
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

from semo.corpora import Options
from semo.corpora.downloader import Downloader, yt_dlp_when_needed
from semo.corpora.fetching import Fetch, Obtained, Unavailable, Wanted, write_rows
from semo.corpora.hdtf_lists import Interval, Problem, Video, obtain_lists, read_lists
from semo.corpora.lock import exclusive
from semo.datasets import PROJECT, Dataset
from semo.media import FPS
from semo.splits import SplitRow

PUBLISHED = PROJECT / "data" / "splits" / "hdtf-published.tsv"
TEST_LIST = "OTAvatar"
LINES = 1080          # asked for where the lists state no picture size
PIECE, SHORTEST = 250, 50  # frames: the lengths of the clips that a stretch is cut into
TEST_PIECES = 5            # clips of a stretch that are tested
SAME_PERSON = {"whipjimclyburn": "jamesclyburn"}  # two names of one video


def obtain(dataset: Dataset, record: Path, options: Options, downloader: Downloader = yt_dlp_when_needed) -> dict:
    """Fetch the lists and every video they name; obtained.tsv, unavailable.tsv and problems.tsv go into `record`."""
    with exclusive(dataset.folder):
        videos, problems = read_lists(obtain_lists(dataset.folder / "lists"))
        wanted = [Wanted(video.stem, video.url, video.lines or LINES) for video in videos]
        fetch = Fetch(dataset.folder, downloader, options)
        have, gone = fetch.run(wanted, dataset.id)
    write_rows(record / "problems.tsv", Problem, problems)
    write_rows(record / "obtained.tsv", Obtained, have)
    write_rows(record / "unavailable.tsv", Unavailable, gone)
    return {"videos": len(have), "unavailable": len(gone), "problems": len(problems),
            "bytes": sum(row.bytes for row in have)}


def person(video: Video) -> str:
    """Who talks, by the name without its number. The RD videos name nobody: each counts as a person of its own."""
    name = video.name if video.group == "RD" else re.sub(r"\d+$", "", video.name)
    name = name.lower()
    return f"{video.group.lower()}-{SAME_PERSON.get(name, name)}"


def split_rows(lists: Path | None = None) -> list[SplitRow]:
    """The split: people of the published list of OTAvatar (19 videos) are tested, all others trained on.

    Every stretch is cut into consecutive clips of 250 frames; a rest of 50 or more is a clip, too. Of a tested person
    five whole clips, spread evenly over each stretch, count; the rest of that person is not used. `list`
    names the published lists that have the stretch; `ours` marks what follows from our rule alone. RD people are
    unknown, so nobody of RD is tested.
    """
    videos, _ = read_lists(lists or obtain_lists(PROJECT / "data" / "videos" / "hdtf" / "lists"))
    published = published_lists()
    tested = {person(video) for video in videos
              if any(TEST_LIST in published[f"{video.stem}_{part.index}"] for part in video.intervals)}
    rows = []
    for video in videos:
        for part in video.intervals:
            test = person(video) in tested
            lists_of = published.get(f"{video.stem}_{part.index}", [])
            rows += _clips(video, part, "test" if test else "train", ",".join(lists_of) or "ours")
    return rows


def published_lists(file: Path = PUBLISHED) -> defaultdict[str, list[str]]:
    """Names of the published lists by stretch (`WDA_Name_0`)."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    with open(file, newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            found[row["stretch"]].append(row["list"])
    return found


def _clips(video: Video, part: Interval, split: str, lists: str) -> list[SplitRow]:
    total = round((part.end - part.start) * FPS)
    pieces = [(first, min(PIECE, total - first)) for first in range(0, total, PIECE)]
    pieces = [(first, frames) for first, frames in pieces if frames >= SHORTEST]
    numbered = list(enumerate(pieces))
    if split == "test":
        whole = [item for item in numbered if item[1][1] == PIECE] or numbered
        spread = {round(i * (len(whole) - 1) / (TEST_PIECES - 1)) for i in range(TEST_PIECES)} if whole else set()
        numbered = [whole[i] for i in sorted(spread)]
    x, y, side = part.crop or (None, None, None)
    stem = video.stem.replace("_", "-").lower()
    return [SplitRow(f"hdtf-{stem}-{part.index}-{number:02d}", person(video), split, f"{video.stem}.mkv",
                     part.start + first / FPS, frames, FPS, x, y, side, video.lines if part.crop else None, lists)
            for number, (first, frames) in numbered]
