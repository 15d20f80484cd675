"""A face mesh as a drawing of coloured lines on black: the pose guide of AniPortrait.

Brows, eyes, lips and the face from temple to temple below the forehead; every part in a colour of its own, left and
right apart, the lips in eight pieces. Colours, parts and line width are those the published pose guider was trained on
(AniPortrait's FaceMeshVisualizer, which draws with MediaPipe); the parts of iBUG's 68 landmarks are the same as far as
that layout has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import cv2
import numpy as np

from baselines.inputs.layouts import IBUG68, MEDIAPIPE468, Layout

CANVAS = 512  # side of the drawing before it is brought to the size of the frame
WIDTH = 2  # of the lines on it
Parts = Mapping[str, tuple[tuple[int, ...], ...]]

COLOURS = {  # left and right in the picture
    "oval": (10, 200, 10),
    "left brow": (10, 220, 180),
    "right brow": (180, 220, 10),
    "left eye": (10, 200, 180),
    "right eye": (180, 200, 10),
    "outer lower left": (10, 180, 20),
    "outer lower right": (20, 10, 180),
    "inner lower left": (100, 100, 30),
    "inner lower right": (100, 150, 50),
    "outer upper left": (20, 80, 100),
    "outer upper right": (80, 100, 20),
    "inner upper left": (120, 100, 200),
    "inner upper right": (150, 120, 100),
}
_PARTS: dict[Layout, Parts] = {
    IBUG68: {
        "oval": (tuple(range(17)),),
        "left brow": (tuple(range(17, 22)),),
        "right brow": (tuple(range(22, 27)),),
        "left eye": ((*range(36, 42), 36),),
        "right eye": ((*range(42, 48), 42),),
        "outer lower left": ((48, 59, 58, 57),),
        "outer lower right": ((57, 56, 55, 54),),
        "inner lower left": ((60, 67, 66),),
        "inner lower right": ((66, 65, 64),),
        "outer upper left": ((48, 49, 50, 51),),
        "outer upper right": ((51, 52, 53, 54),),
        "inner upper left": ((60, 61, 62),),
        "inner upper right": ((62, 63, 64),),
    },
    MEDIAPIPE468: {
        "oval": (
            (251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58,
             132, 93, 234, 127, 162, 21),
        ),
        "left brow": ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107)),
        "right brow": ((276, 283, 282, 295, 285), (300, 293, 334, 296, 336)),
        "left eye": ((*MEDIAPIPE468.left_eye, MEDIAPIPE468.left_eye[0]),),
        "right eye": ((*MEDIAPIPE468.right_eye, MEDIAPIPE468.right_eye[0]),),
        "outer lower left": ((61, 146, 91, 181, 84, 17),),
        "outer lower right": ((17, 314, 405, 321, 375, 291),),
        "inner lower left": ((78, 95, 88, 178, 87, 14),),
        "inner lower right": ((14, 317, 402, 318, 324, 308),),
        "outer upper left": ((61, 185, 40, 39, 37, 0),),
        "outer upper right": ((0, 267, 269, 270, 409, 291),),
        "inner upper left": ((78, 191, 80, 81, 82, 13),),
        "inner upper right": ((13, 312, 311, 310, 415, 308),),
    },
}  # fmt: skip


def parts(layout: Layout) -> Parts:
    """Lines of every part of a layout, each a chain of its points."""
    return _PARTS[layout]


def drawn(points: np.ndarray, layout: Layout, size: tuple[int, int], width: int = WIDTH) -> np.ndarray:
    """Points (T, K, 2) in pixels of frames of `size` = (height, width) -> drawings uint8 (T, height, width, 3).

    Lines are `width` / 512 of a frame wide whatever its size; what is outside the frame is cut off, frames with a NaN
    among their points stay black.
    """
    if points.shape[1:] != (layout.points, 2):
        raise ValueError(f"points are {points.shape}, those of {layout.name} are (T, {layout.points}, 2)")
    height, breadth = size
    on_canvas = points * np.array([CANVAS / breadth, CANVAS / height])
    return np.stack([_resized(_canvas(frame, layout, width), size) for frame in on_canvas])


def _canvas(points: np.ndarray, layout: Layout, width: int) -> np.ndarray:
    """One drawing (512, 512, 3) of points on this canvas."""
    canvas = np.zeros((CANVAS, CANVAS, 3), np.uint8)
    if not np.isfinite(points).all():
        return canvas
    whole = np.floor(points.clip(-8 * CANVAS, 8 * CANVAS)).astype(int).tolist()
    for name, chains in parts(layout).items():
        for start, end in (pair for chain in chains for pair in pairwise(chain)):
            cv2.line(canvas, whole[start], whole[end], COLOURS[name], width)
    return canvas


def _resized(canvas: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The average over a pixel where the frame is smaller than the canvas: thin lines are not lost."""
    if canvas.shape[:2] == size:
        return canvas
    smaller = size[0] <= CANVAS and size[1] <= CANVAS
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
