"""Which point of a face mesh is what: iBUG's 68 landmarks and MediaPipe's 468 vertices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """`lips`, `left_eye`, `right_eye`: outlines, left and right in the picture; `outline`: of the face, in order."""

    name: str
    points: int
    lips: tuple[int, ...]
    left_eye: tuple[int, ...]
    right_eye: tuple[int, ...]
    outline: tuple[int, ...]


IBUG68 = Layout(
    "iBUG 68",
    68,
    lips=tuple(range(48, 60)),
    left_eye=tuple(range(36, 42)),
    right_eye=tuple(range(42, 48)),
    outline=(*range(17), 26, 25, 24, 19, 18, 17),
)
MEDIAPIPE468 = Layout(
    "MediaPipe 468",
    468,
    lips=(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    left_eye=(33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    right_eye=(362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398),
    outline=(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)  # fmt: skip
# of MediaPipe's vertices, those nearest to iBUG's landmarks, in their order
MEDIAPIPE_AS_IBUG = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip


def of(points: int) -> Layout:
    """The layout with so many points; raises ValueError where there is none."""
    for layout in (IBUG68, MEDIAPIPE468):
        if layout.points == points:
            return layout
    raise ValueError(f"no face mesh of {points} points; there are 68 (iBUG) and 468 (MediaPipe)")
