"""The person of a clip, frame by frame: the faces YuNet sees, the one that is followed, and square crops of it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

SMALLEST = 256  # px: a frame whose longer side is shorter is enlarged to this before detection
SAME_FACE = 0.3  # overlap (intersection over union) of consecutive boxes of one person
REMEMBERED = 256  # frames
PROTOCOL = "YuNet 0.7 on a longer side of 256 to 512 px; the largest face, then the one that goes on from it"


class FaceFinder:
    """All faces of a frame; the last answers are kept, since several networks ask about the same frames."""

    def __init__(self, path: Path):
        from semo.detect import YuNet

        self.detector = YuNet(path)
        self.known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self.lock = Lock()

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) -> (faces, 15) in pixels of the frame, columns as in `YuNet.rows`."""
        key = hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=16).digest() + repr(frame.shape).encode()
        with self.lock:
            if key not in self.known:
                self.known[key] = self._detect(frame)
                if len(self.known) > REMEMBERED:
                    self.known.popitem(last=False)
            return self.known[key]

    def _detect(self, frame: np.ndarray) -> np.ndarray:
        import cv2

        factor = max(frame.shape[:2]) / SMALLEST
        if factor >= 1:
            return self.detector.rows(frame)
        size = max(1, round(frame.shape[1] / factor)), max(1, round(frame.shape[0] / factor))
        rows = self.detector.rows(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC))
        rows[:, :14] *= factor
        rows[:, [0, 1, *range(4, 14)]] += (factor - 1) / 2  # whole numbers are the middles of pixels
        return rows


@cache
def face_finder(path: Path) -> FaceFinder:
    """One finder for all networks that use the same weights."""
    return FaceFinder(path)


def follow(faces: np.ndarray, previous: np.ndarray | None) -> np.ndarray | None:
    """The row of the face that goes on from `previous`, else the largest; None without faces."""
    if not len(faces):
        return None
    if previous is not None:
        overlap = _overlap(faces, previous)
        if overlap.max() >= SAME_FACE:
            return faces[overlap.argmax()]
    return faces[(faces[:, 2] * faces[:, 3]).argmax()]


def _overlap(faces: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4+) with one box."""
    start = np.maximum(faces[:, :2], other[:2])
    end = np.minimum(faces[:, :2] + faces[:, 2:4], other[:2] + other[2:4])
    common = np.clip(end - start, 0, None).prod(1)
    return common / np.maximum(faces[:, 2:4].prod(1) + other[2:4].prod() - common, 1e-9)


def square(x: float, y: float, side: float, out: int, angle: float = 0.0) -> np.ndarray:
    """Frame -> crop, float64 (2, 3): the square around (x, y), turned clockwise by `angle` radians, on `out` pixels."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * (out / side)
    centre = (out - 1) / 2
    return np.concatenate([turn, ([centre, centre] - turn @ [x, y])[:, None]], axis=1)


def similarity(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Rotation, scale and shift (2, 3) that bring points (n, 2) closest to the template in squares (Umeyama 1991)."""
    mean, goal = points.mean(0), template.mean(0)
    a, b = points - mean, template - goal
    u, values, vt = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * signs) @ vt * (values @ signs) / max((a * a).sum(), 1e-9)
    return np.concatenate([turn, (goal - turn @ mean)[:, None]], axis=1)


def cut(frame: np.ndarray, matrix: np.ndarray, out: int, border: int = 0) -> np.ndarray:
    """uint8 (out, out[, 3]) through a map as of `square`: bilinear; averages first where pixels fall together."""
    import cv2

    factor = int(1.0 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-6))
    if factor >= 2:
        size = max(1, frame.shape[1] // factor), max(1, frame.shape[0] // factor)
        scale = np.array([frame.shape[1] / size[0], frame.shape[0] / size[1]])
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        # pixel centres: x = scale * (reduced x) + (scale - 1) / 2
        shift = matrix[:, :2] @ (scale - 1) / 2 + matrix[:, 2]
        matrix = np.concatenate([matrix[:, :2] * scale, shift[:, None]], axis=1)
    return cv2.warpAffine(frame, matrix, (out, out), flags=cv2.INTER_LINEAR, borderValue=(border,) * 3)


def back(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of a crop, (n, 2) -> points of the frame it was cut from."""
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
