"""Many videos in one file: all tiles of the wall come from one decoder, so they keep step, with the sound too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from semo.pictures import crop_resize

SMALLEST, LARGEST = 128, 256  # pixels of a tile's side
BLOCK = 16  # H.264 codes blocks of 16 x 16; tiles that start on one share none


@dataclass(frozen=True)
class Layout:
    """Square tiles of `side` pixels in rows of `columns`, each at the corner of a cell of whole blocks."""

    tiles: int
    side: int

    @property
    def columns(self) -> int:
        return math.ceil(math.sqrt(self.tiles))

    @property
    def cell(self) -> int:
        return -(-self.side // BLOCK) * BLOCK

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return -(-self.tiles // self.columns) * self.cell, self.columns * self.cell

    def corner(self, tile: int) -> tuple[int, int]:
        """x and y of a tile's upper left pixel."""
        return tile % self.columns * self.cell, tile // self.columns * self.cell


def tile_side(frame: int) -> int:
    """Side of the tile for frames of `frame` pixels: whole multiples keep every pixel of a small frame."""
    return min(LARGEST, frame * max(1, -(-SMALLEST // frame)))


def mosaic(videos: Iterable[Iterable[np.ndarray]], layout: Layout, frames: int) -> Iterator[np.ndarray]:
    """Frames uint8 (H, W, 3) of the mosaic; a video that ends early shows its last frame, one without any stays black.

    Videos are read frame by frame, side by side, so memory does not grow with their length.
    """
    readers = [iter(video) for video in videos]
    canvas = np.zeros((*layout.size, 3), np.uint8)
    for _ in range(frames):
        for i, reader in enumerate(readers):
            frame = next(reader, None)
            if frame is not None:
                x, y = layout.corner(i)
                canvas[y : y + layout.side, x : x + layout.side] = fit(frame, layout.side)
        yield canvas.copy()


def fit(frame: np.ndarray, side: int) -> np.ndarray:
    """uint8 (S, S, 3) -> (side, side, 3): pixels repeated where that is exact, else resized."""
    height, width = frame.shape[:2]
    if height == width and side % height == 0:
        return frame.repeat(side // height, axis=0).repeat(side // height, axis=1)
    return crop_resize(frame, None, side)
