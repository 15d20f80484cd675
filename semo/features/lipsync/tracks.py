"""Face tracks and their crops, as in joonson/syncnet_python's run_pipeline.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.signal import medfilt

OVERLAP = 0.5
MISSED = 25       # frames a track lives on without a detection
MARGIN = 0.4      # of a crop around the face, in half face sides
SMOOTHING = 13    # frames of the median filter
GREY = (110, 110, 110)
SIDE = 224


@dataclass(frozen=True)
class Track:
    """One face from frame `first` on: boxes float64 (n, 4) x1 y1 x2 y2 of n consecutive frames, gaps interpolated.

    `detections`: frames in which the detector saw it.
    """

    first: int
    boxes: np.ndarray
    detections: int

    @property
    def size(self) -> float:
        """The larger of mean width and mean height, in pixels."""
        return float((self.boxes[:, 2:] - self.boxes[:, :2]).mean(0).max())

    def squares(self) -> np.ndarray:
        """Smoothed centre x, centre y and half side per frame: (n, 3).

        The median filter sees zeros beyond both ends, as scipy's does.
        """
        half = (self.boxes[:, 2:] - self.boxes[:, :2]).max(1) / 2
        centre = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        return np.stack([medfilt(v, SMOOTHING) for v in (centre[:, 0], centre[:, 1], half)], 1)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def tracks(found: Sequence[np.ndarray], first: int = 0) -> list[Track]:
    """All tracks of one scene: `found` are the faces (k, 4) of its frames, best first; `first` numbers its first frame.

    A track starts at the first face no other track took and takes, frame by frame, the first one that overlaps its
    last box by more than half, until it misses more than 25 frames.
    """
    left = [list(faces) for faces in found]
    done = []
    while any(left):
        at: list[int] = []
        boxes: list[np.ndarray] = []
        for number, faces in enumerate(left):
            if at and number - at[-1] > MISSED:
                break
            match = next((k for k, face in enumerate(faces) if not boxes or overlap(face, boxes[-1]) > OVERLAP), None)
            if match is not None:
                at.append(number)
                boxes.append(faces.pop(match))
        frames = np.arange(at[0], at[-1] + 1)
        filled = np.stack([np.interp(frames, at, column) for column in np.stack(boxes).T], 1)
        done.append(Track(first + at[0], filled, len(at)))
    return done


def crop(image: np.ndarray, square: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) and centre x, centre y, half side (3,) -> the face with its margin, uint8 (224, 224, 3).

    The crop reaches 0.4 half sides to the left and right of the face, 0.8 below it and not above; outside the picture
    lies grey.
    """
    x, y, half = square
    pad = int(half * (1 + 2 * MARGIN))
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=GREY)
    rows = int(y + pad - half), int(y + pad + half * (1 + 2 * MARGIN))
    columns = int(x + pad - half * (1 + MARGIN)), int(x + pad + half * (1 + MARGIN))
    return cv2.resize(padded[max(0, rows[0]):rows[1], max(0, columns[0]):columns[1]], (SIDE, SIDE))
