"""Tables 3 and 4 side by side: every talking method on the same frames, one unseen person per data set."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from semo.report.definitions import load_tables
from semo.report.figures import MissingInput
from semo.report.figures._style import Sheet
from semo.report.figures._videos import Videos, compared_methods, videos_of
from semo.report.figures.talking import loud_and_quiet
from semo.report.tables import Inputs
from semo.tasks import Item

MOMENTS = 4


def figure(inputs: Inputs) -> Figure:
    shown = [(videos, videos.one_per_person(2)[-1]) for videos in _of_tables(inputs)]
    methods = compared_methods(inputs, "talk")
    times = [loud_and_quiet(item.waveform(), item.frames, MOMENTS) for _, item in shown]
    sheet = Sheet((1 + MOMENTS) * len(shown))
    sheet.head([title for moments in times for title in ("portrait", *(f"{t / 25:.2f} s" for t in moments))])
    sheet.row("true video", [tile for (videos, item), moments in zip(shown, times, strict=True)
                             for tile in (item.source_frame(), *videos.truth(item)[moments])])  # fmt: skip
    for name, label in methods:
        tiles: list[np.ndarray | str | None] = []
        for (videos, item), moments in zip(shown, times, strict=True):
            tiles += [None, *_tiles(videos, name, item, moments)]
        sheet.row(label, tiles)
    people = "; ".join(f"{item.id} of {videos.dataset}" for videos, item in shown)
    return sheet.figure(
        "Every talking method on the same frames",
        f"From left to right: {people}. Frames where the sound is loud or quiet in turn. Many motions fit one sound, "
        "so the true video is one of them, not a target. other-motion and mean-motion are controls that do not listen. "
        "Names ending in -mini: architectures of the rivals at toy size, trained in this run; they are not the "
        "published models.",
    )


def _of_tables(inputs: Inputs) -> list[Videos]:
    """Data sets with talking videos, those that a table of talking methods is about."""
    tables = load_tables(inputs.definitions / "tables")
    roles = {role for table in tables if (table.kind, table.task) == ("methods", "talk") for role in table.roles}
    wanted = {dataset for role, dataset in inputs.results.roles.items() if role in roles}
    found = [videos for videos in videos_of(inputs, "talk") if videos.dataset in wanted]
    if not found:
        raise MissingInput("no table of talking methods has a data set in this run")
    return found


def _tiles(videos: Videos, name: str, item: Item, moments: np.ndarray) -> list[np.ndarray | str | None]:
    """Frames of a method, or in the place of the first the reason for none."""
    try:
        return list(videos.made(name, item)[moments])
    except MissingInput as missing:
        return [f"not run: {missing}", *[None] * (len(moments) - 1)]
