"""Face detectors behind one interface, and the one square crop per clip that follows from their boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from semo.errors import MediaError
from semo.pictures import SQUARE

WORKING_SIDE = 512  # pictures are reduced to this longer side before detection
ENLARGE = 2.1        # side of a crop over that of its face, and how far its centre lies below the face's: the median
BELOW = 0.12         # framing of portraits-mini, so that models trained there meet real heads at the same place
DETECTORS = ("none", "cascade", "yunet")


@dataclass(frozen=True)
class Face:
    """A square around one face, brows to chin: centre and side in pixels; `score` is the detector's own scale."""

    x: float
    y: float
    side: float
    score: float


class Detector(Protocol):
    """Finds all faces of a uint8 (H, W, 3) RGB picture. Not safe to share between threads."""

    def __call__(self, frame: np.ndarray) -> list[Face]: ...


def _reduced(frame: np.ndarray) -> tuple[np.ndarray, float]:
    """The frame with its longer side at most WORKING_SIDE, and the factor back to its own pixels."""
    factor = max(frame.shape[:2]) / WORKING_SIDE
    if factor <= 1:
        return frame, 1.0
    size = max(1, round(frame.shape[1] / factor)), max(1, round(frame.shape[0] / factor))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), factor


class Cascade:
    """OpenCV's bundled Haar cascade of frontal faces (Viola and Jones 2001): no weights, upright faces only."""

    def __init__(self) -> None:
        self.classifier = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    def __call__(self, frame: np.ndarray) -> list[Face]:
        small, factor = _reduced(frame)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = max(20, min(grey.shape) // 8)
        if min(grey.shape) < smallest:
            return []
        boxes, _, weights = self.classifier.detectMultiScale3(grey, 1.1, 4, minSize=(smallest, smallest),
                                                              outputRejectLevels=True)
        return [Face((x + w / 2) * factor, (y + h / 2) * factor, w * factor, float(score))
                for (x, y, w, h), score in zip(boxes, np.ravel(weights), strict=True)]


def _fixed_input(model: bytes) -> bytes:
    """The ONNX bytes with the symbolic input sizes replaced by numbers, which the importer of OpenCV 4 insists on.

    Only Shape nodes of the batch depend on them: other picture sizes still work. The length of the file stays equal.
    """
    found = re.search(rb"Z.\n\x05input.{40}", model, re.DOTALL)  # GraphProto field 11: the graph's input
    if not found:
        return model
    block = found.group()
    for name, value in ((b"batch", 1), (b"height", 320), (b"width", 320)):
        symbolic = bytes([0x0A, len(name) + 2, 0x12, len(name)]) + name  # Dimension { dim_param: name }
        digits = [value >> 7 * i & 0x7F | 0x80 for i in range(len(name) + 1)]
        digits[-1] &= 0x7F  # a varint stretched to the length of the name
        block = block.replace(symbolic, bytes([0x0A, len(name) + 2, 0x08, *digits]))
    return model[:found.start()] + block + model[found.end():]


class YuNet:
    """YuNet (Wu et al. 2023) through OpenCV: finds turned and small faces too. Needs its .onnx file."""

    def __init__(self, path: str | Path, threshold: float = 0.7):
        if not Path(path).is_file():
            raise MediaError(f"{path}: no YuNet weights there; run `semo fetch yunet` or use the "
                             "detector 'cascade'")
        try:
            model = np.frombuffer(_fixed_input(Path(path).read_bytes()), np.uint8)
            self.network = cv2.FaceDetectorYN.create("onnx", model, np.zeros(0, np.uint8), (320, 320), threshold)
        except cv2.error as error:
            raise MediaError(f"{path}: OpenCV cannot read it as a YuNet network") from error

    def rows(self, frame: np.ndarray) -> np.ndarray:
        """float32 (faces, 15), in pixels of the frame: box x, y, width, height (hairline to chin, narrower than high),
        then x, y of the eye at the left of the picture, the other eye, nose tip, left and right corner of the mouth;
        last the score in [0, 1].
        """
        small, factor = _reduced(frame)
        self.network.setInputSize((small.shape[1], small.shape[0]))
        _, found = self.network.detect(np.ascontiguousarray(small[..., ::-1]))
        rows = np.zeros((0, 15), np.float32) if found is None else found
        rows[:, :14] *= factor
        return rows

    def __call__(self, frame: np.ndarray) -> list[Face]:
        # a square of 0.85 of the box's height, as the cascade's, around its middle
        return [Face(float(x + w / 2), float(y + h / 2), float(0.85 * h), float(score))
                for x, y, w, h, *_, score in self.rows(frame)]


def make_detector(name: str, weights: str | Path | None = None) -> Detector | None:
    """`none` (returns None: the centre of the picture is the crop), `cascade`, or `yunet` with its .onnx file."""
    if name == "none":
        return None
    if name == "cascade":
        return Cascade()
    if name == "yunet":
        if weights is None:
            raise MediaError("the detector 'yunet' needs its .onnx file: set `weights` to a path or to an id of "
                             "weights.yaml")
        return YuNet(weights)
    raise MediaError(f"unknown detector {name!r}: use {', '.join(DETECTORS)}")


def beside_largest(faces: list[Face]) -> int:
    """How many other people a picture shows: faces beside the largest and at least half its size."""
    if not faces:
        return 0
    main = max(faces, key=lambda face: face.side)
    return sum(f.side > main.side / 2 and max(abs(f.x - main.x), abs(f.y - main.y)) > main.side for f in faces)


def follow_largest(found: list[list[Face]]) -> list[Face]:
    """One face per frame, where it is seen: the person who is largest over the clip, other faces left out.

    `found` holds all faces of each sampled frame. Boxes that do not overlap the main person's median box are taken for
    other people or false alarms.
    """
    largest = [max(faces, key=lambda face: face.side) for faces in found if faces]
    if not largest:
        return []
    x, y, side = (float(np.median([getattr(face, key) for face in largest])) for key in ("x", "y", "side"))
    followed = []
    for faces in found:
        near = [f for f in faces if max(abs(f.x - x), abs(f.y - y)) < 0.75 * side and side / 2 < f.side < side * 2]
        if near:
            followed.append(min(near, key=lambda f: abs(f.x - x) + abs(f.y - y) + abs(f.side - side)))
    return followed


def square_crop(faces: list[Face], height: int, width: int, enlarge: float = ENLARGE) -> SQUARE:
    """The fixed square (x, y, side) of a clip from the faces of one person over its frames, in whole pixels.

    Its side is `enlarge` times the median face, or more where the head travels further. It is moved and, down to what
    the head needs, reduced to stay inside the picture; only a head that leaves the picture makes the crop leave it.
    """
    left, right = min(f.x - f.side / 2 for f in faces), max(f.x + f.side / 2 for f in faces)
    top, bottom = min(f.y - f.side / 2 for f in faces), max(f.y + f.side / 2 for f in faces)
    typical = float(np.median([f.side for f in faces]))
    needed = max(right - left, bottom - top)
    side = max(enlarge * typical, needed + 0.3 * typical)
    side = min(side, max(needed, min(height, width)))
    x = _placed((left + right) / 2, side, width, (left, right))
    y = _placed((top + bottom) / 2 + BELOW * typical, side, height, (top, bottom))
    return round(x), round(y), max(1, round(side))


def _placed(centre: float, side: float, length: int, extent: tuple[float, float]) -> float:
    """Start of the interval of length `side` nearest to `centre` that stays in [0, length] and holds `extent`."""
    start = centre - side / 2
    if side <= length:
        start = min(max(start, 0.0), length - side)
    else:
        start = (length - side) / 2
    return min(max(start, extent[1] - side), extent[0])


def head_crop(found: list[list[Face]], height: int, width: int, enlarge: float = ENLARGE) -> SQUARE | None:
    """Crop of a portrait or driving video from the faces of its (sampled) frames, None if they show no face.

    A square picture that is mostly head already is taken as a whole: somebody has cropped it.
    """
    faces = follow_largest(found)
    if not faces:
        return None
    box = square_crop(faces, height, width, enlarge)
    if height == width and box[2] > 0.75 * width:
        return 0, 0, width
    return box
