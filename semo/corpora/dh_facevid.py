"""DH-FaceVid-1K (Di et al., ICCV 2025): 270,043 clips of more than 20,000 people, given out on application."""

from __future__ import annotations

import re
from pathlib import Path

from semo.corpora import Options
from semo.corpora.placed import look_over
from semo.datasets import Dataset

EXAMPLE = "000680.mp4"
# Numbers, `RS<n>_segment_...` of crowd-sourced recordings, or a video id with the number of its part; in any folders.
NAME = re.compile(r"(?:.*/)?(?:(\d{5,6})|(RS\d+)_segment_[\d_]+|([\w-]{11})_\d+(?:_[STLRBE\d_]+)?)\.mp4")
PUBLISHED = 270_043  # clips of the whole release; it comes in stages


def obtain(dataset: Dataset, record: Path, options: Options) -> dict:
    """Check what was placed; files.tsv and strange.tsv go into `record`. No list or hash of the release is published.

    There is no published split, and its people are known by file names alone: `identity` and `split` of the entry say
    how they are drawn when the clips are prepared, and `python -m semo.splits freeze` writes down what came out.
    """
    files, strange = look_over(dataset, record, NAME, EXAMPLE, {})
    return {"videos": len(files), "strange": len(strange), "share_of_release": round(len(files) / PUBLISHED, 4)}
