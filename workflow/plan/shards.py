"""How many shards a data set is prepared in: known before the run, so that every job can be listed."""

from __future__ import annotations

import csv
import os
from pathlib import Path

SUFFIXES = frozenset(".avi .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split())
ASSUMED_CLIPS, ASSUMED_SECONDS = 100, 10.0  # where nothing says how many


def expected(entry: dict, root: Path) -> tuple[int, float]:
    """Clips and hours of a data set: as its entry states, else counted, else assumed."""
    if "expected" in entry:
        return entry["expected"]["clips"], entry["expected"]["hours"]
    folder = root / os.path.expanduser(os.path.expandvars(str(entry.get("path", ""))))
    seconds = float(entry.get("max_seconds", ASSUMED_SECONDS))
    if entry.get("source") == "shipped" and (folder / "corpus.tsv").is_file():
        with open(folder / "corpus.tsv", newline="") as stream:
            rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["subset"] == entry.get("subset")]
        return len(rows), sum(int(row.get("frames") or 0) for row in rows) / 25 / 3600
    clips = sum(path.suffix in SUFFIXES for path in folder.rglob("*")) if folder.is_dir() else ASSUMED_CLIPS
    return clips, clips * seconds / 3600


def shard_count(clips: int, per_shard: int) -> int:
    """Shards for about `per_shard` clips each, a power of two: more videos rarely change which shard a video is in."""
    return 1 << max(0, -(-clips // per_shard) - 1).bit_length()
