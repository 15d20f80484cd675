"""The look all figures share, and sheets of pictures with labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

DPI = 110
TILE = 128
GAP = 6
# where a name may stand beside its point: points to the right and up, and which end of the text lies there
SIDES = ((7, 0, "left"), (6, 8, "left"), (6, -8, "left"), (-7, 0, "right"), (-6, 8, "right"), (-6, -8, "right"),
         (6, 17, "left"), (6, -17, "left"), (-6, 17, "right"))  # fmt: skip
LABEL_CHARACTERS = 19
# Colour-blind safe (Okabe-Ito); one colour per meaning in every figure.
COLOURS = {
    "semo": "#0072B2",
    "semo-released": "#009E73",
    "copy-reference": "#7F7F7F",
    "codec": "#000000",
    "masked": "#0072B2",
    "unmasked": "#D55E00",
    "other": "#CC79A7",
}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933", "#882255", "#44AA99")


def apply() -> None:
    """Set the style; draws without a display."""
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.labelsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.6,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "figure.facecolor": "white",
        }
    )


def message(title: str, text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(7, 1.6))
    figure.text(0.5, 0.66, title, ha="center", va="center", fontsize=11, fontweight="bold")
    figure.text(0.5, 0.32, "\n".join(textwrap.wrap(text, 90)), ha="center", va="center", fontsize=9)
    return figure


def name_points(axes: Axes, points: Sequence[tuple[str, float, float]], size: float = 8) -> None:
    """Write each (name, x, y) beside its point, where it covers neither another name nor a point and stays inside.

    To be called when the axes have their final scale and limits.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()  # places the axes
    at = {name: axes.transData.transform((x, y)) for name, x, y in points}
    taken = [Bbox.from_bounds(px - 5, py - 5, 10, 10) for px, py in at.values()]
    for name, x, y in points:
        for dx, dy, side in SIDES:
            text = axes.annotate(
                name, (x, y), xytext=(dx, dy), textcoords="offset points", fontsize=size, ha=side, va="center"
            )
            text.set_in_layout(False)  # or the axes would shrink, and the points move, to make room for it
            box = text.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            text = axes.annotate(name, (x, y), xytext=SIDES[0][:2], textcoords="offset points", fontsize=size)
            box = text.get_window_extent()
        taken.append(box)


class Sheet:
    """Rows of equal square pictures with a label on the left, titles on top and a line below each picture."""

    def __init__(self, columns: int, tile: int = TILE, label: int = 144):
        self.columns, self.tile, self.label = columns, tile, label
        self._rows: list[tuple[str, list[np.ndarray | str | None], list[str]]] = []
        self._heads: dict[int, list[str]] = {}

    def head(self, titles: Sequence[str]) -> None:
        """Column titles above the row that follows."""
        self._heads[len(self._rows)] = list(titles)

    def row(
        self, label: str, pictures: Sequence[np.ndarray | str | None], captions: Sequence[str] | None = None
    ) -> None:
        """A row: uint8 (H, W, 3) pictures, a text in place of a picture that was not made, or None for a gap."""
        self._rows.append((label, list(pictures), list(captions or [])))

    def figure(self, title: str = "", note: str = "", charts: int = 0) -> Figure:
        """Compose everything; sizes in pixels, so one picture pixel stays a whole number of dots.

        `charts`: pixels left free between title and pictures, for axes that the caller adds.
        """
        head, foot = 22, 14 if any(captions for _, _, captions in self._rows) else 0
        heights = [self.tile + GAP + foot + (head if i in self._heads else 0) for i in range(len(self._rows))]
        top, bottom = (30 if title else 6) + charts, 8 + 15 * len(_wrapped(note, self._width()))
        width, height = self._width(), top + sum(heights) + bottom
        figure = Figure(figsize=(width / DPI, height / DPI))
        y = height - top
        if title:
            figure.text(0.5, (height - 15) / height, title, ha="center", va="center", fontsize=11, fontweight="bold")
        for i, ((label, pictures, captions), used) in enumerate(zip(self._rows, heights, strict=True)):
            if i in self._heads:
                for column, text in enumerate(self._heads[i]):
                    x = self.label + column * (self.tile + GAP) + self.tile / 2
                    figure.text(x / width, (y - head / 2) / height, text, ha="center", va="center", fontsize=9)
            bottom_of_tiles = y - used + foot + GAP
            lines = "\n".join(part for line in label.split("\n") for part in textwrap.wrap(line, LABEL_CHARACTERS))
            figure.text(
                6 / width, (bottom_of_tiles + self.tile / 2) / height, lines, ha="left", va="center", fontsize=8
            )
            for column, picture in enumerate(pictures):
                x = self.label + column * (self.tile + GAP)
                self._tile(figure, picture, x / width, bottom_of_tiles / height, self.tile / width, self.tile / height)
                if column < len(captions) and captions[column]:
                    centre = (x + self.tile / 2) / width
                    figure.text(
                        centre, (bottom_of_tiles - 8) / height, captions[column], ha="center", va="center", fontsize=8
                    )
            y -= used
        if note:
            lines = "\n".join(_wrapped(note, width))
            figure.text(6 / width, 6 / height, lines, ha="left", va="bottom", fontsize=8, color="#444444")
        return figure

    def _width(self) -> int:
        return self.label + self.columns * (self.tile + GAP) + 6

    def _tile(self, figure: Figure, picture: np.ndarray | str | None, x: float, y: float, w: float, h: float) -> None:
        if picture is None:
            return
        axes: Axes = figure.add_axes((x, y, w, h))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if isinstance(picture, str):
            axes.set_facecolor("#F2F2F2")
            lines = "\n".join(textwrap.wrap(picture, 18))
            axes.text(0.5, 0.5, lines, ha="center", va="center", fontsize=7, transform=axes.transAxes)
        else:
            axes.imshow(fit(picture, self.tile), interpolation="nearest", aspect="auto")


def fit(picture: np.ndarray, side: int) -> np.ndarray:
    """uint8 (S, S, 3) -> (side, side, 3): pixels repeated where that is exact, else resized."""
    from semo.media import crop_resize

    if side % picture.shape[0] == 0:
        factor = side // picture.shape[0]
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)
    return crop_resize(picture, None, side)


def difference(truth: np.ndarray, made: np.ndarray, gain: int = 4) -> np.ndarray:
    """|truth - made| times `gain`, uint8."""
    return np.clip(np.abs(truth.astype(np.int16) - made.astype(np.int16)) * gain, 0, 255).astype(np.uint8)


def _wrapped(note: str, width: int) -> list[str]:
    return textwrap.wrap(note, max(40, int(width / 6.6))) if note else []
