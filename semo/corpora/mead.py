"""MEAD (Wang et al., ECCV 2020): actors with eight emotions at three levels, given out by its authors for research.

Only the front view is used. Its pictures come without sound, which lies in files of its own: MEAD serves the motion
encoder and decoder alone, as in the paper (section 4.1).
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from semo.corpora import Options
from semo.corpora.placed import look_over
from semo.datasets import Dataset
from semo.errors import DatasetError
from semo.splits import SplitRow

EXAMPLE = "M003/video/front/angry/level_1/001.mp4"
LAYOUT = re.compile(r"[MW]\d{3}/video/(front|down|top|left_30|left_60|right_30|right_60)/"
                    r"(angry|contempt|disgusted|fear|happy|neutral|sad|surprised)/level_[123]/\d{3}\.mp4")
FRONT = re.compile(r"([MW]\d{3})/video/front/")
HINTS = {
    r"^(?!.*video/)[MW]\d{3}/(front|down|top|left|right)": "the folder `video` between actor and view is missing",
    r"^video/": "the folder of the actor (M003, W009, ...) around `video` is missing: unpack each actor into its own",
    r"^.+/[MW]\d{3}/video/": "the actors' folders lie too deep: place them directly in the data set's folder",
    r"level[123]_|[MW]\d{3}_": "the files have been renamed: the layout of the release is needed",
}
ACTORS = ("M003 M005 M007 M009 M011 M012 M013 M019 M022 M023 M024 M025 M026 M027 M028 M029 M030 M031 M032 M033 M034 "
          "M035 M037 M039 M040 M041 M042 W009 W011 W014 W015 W016 W017 W018 W019 W021 W023 W024 W025 W026 W028 W029 "
          "W033 W035 W036 W037 W038 W040").split()  # part A, 48 actors
TESTED = {"EAT": "M003 M030 W009 W015".split(),  # yuangan/EAT_code#17; M003 is also the authors' (uniBruce/Mead#4)
          "EMOTE": "M037 M039 M040 M041 M042 W037 W038 W040".split()}
# uniBruce/Mead: per level the last 10 of 40 neutral sentences and the last 6 of 30 of other emotions are for tests.
HELD_OUT = (r"neutral/level_1/(03[1-9]|040)\.mp4", r"(?!neutral)\w+/level_[123]/(02[5-9]|030)\.mp4")


def obtain(dataset: Dataset, record: Path, options: Options) -> dict:
    """Check the layout of what was placed; files.tsv and strange.tsv go into `record`."""
    files, strange = look_over(dataset, record, LAYOUT, EXAMPLE, HINTS)
    actors = Counter(match[1] for file in files if (match := FRONT.match(file.file)))
    if not actors:
        raise DatasetError(f"data set {dataset.id}: {dataset.folder} has no front view, such as {EXAMPLE}; it is the "
                           "only one used")
    return {"videos": len(files), "front": sum(actors.values()), "actors": len(actors), "strange": len(strange),
            "missing_actors": sorted(set(ACTORS) - set(actors))}


def split_rows() -> list[SplitRow]:
    """The split: the published test actors say the published test sentences; those of all others are unseen clips.

    An actor of the lists is never trained on. `seen` rows are the test sentences of training actors.
    """
    lists = {actor: name for name, actors in TESTED.items() for actor in actors}
    rows = []
    for actor in ACTORS:
        split, origin = ("test", lists[actor]) if actor in lists else ("seen", "MEAD")
        rows += [SplitRow(None, actor.lower(), split, f"{actor}/video/front/{held}", list=origin) for held in HELD_OUT]
        if split == "seen":
            rows.append(SplitRow(None, actor.lower(), "train", rf"{actor}/video/front/\w+/level_[123]/\d{{3}}\.mp4",
                                 list="MEAD"))
    return rows
