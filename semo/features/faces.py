"""One face per frame, described four ways: place, identity, landmarks, and pose with expression.

YuNet finds it; MobileFaceNet, MediaPipe's face mesh and 3DDFA v2 describe it from crops of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from semo.features.base import Extractor, Features, Session
from semo.features.face_finder import PROTOCOL, back, cut, face_finder, follow, similarity, square

BATCH = 16
FLAG = 0.5  # below this probability of the mesh network the detection was a false alarm
# eyes, nose tip and mouth corners in a 112x112 crop, as ArcFace and MobileFaceNet were trained
ALIGNED = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EYES = (33, 263)  # outer corners in the mesh, left and right in the picture
CORNERS = ([33, 133], [362, 263])  # of each eye, from left to right in the picture
EYE_CROP = np.array([[8.0, 24.0], [40.0, 24.0]])  # where they come to lie in a 48x48 crop
# brows and jaw: the outline of the 68 landmarks from which 3DDFA takes its crop in videos
OUTLINE = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
           148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127]  # fmt: skip


class Faces(Extractor):
    """What the face metrics need of a clip of T frames; rows of frames without a face are NaN, all float32:

    `boxes` (T, 4): x, y, width, height in pixels of the frame, hairline to chin; `points` (T, 5, 2): eyes, nose tip and
    mouth corners; `identity` (T, 128): unit length; `mesh` (T, 468, 2): pixels of the frame; `depth` (T, 468): of the
    mesh away from the camera, in the same unit; `pose` (T, 3): yaw, pitch, roll in degrees; `shape` (T, 40) and
    `expression` (T, 10): coefficients of 3DDFA's face model; `openness` (T,): how dark the irises are beside the skin,
    it halves in a blink; `size` (2,): height and width of the frames.
    """

    name: ClassVar[str] = "faces"
    tier: ClassVar[str] = "compact"
    weights: ClassVar[tuple[str, ...]] = ("yunet", "mobilefacenet", "facemesh", "3ddfa-v2")
    protocol: ClassVar[str] = (
        f"{PROTOCOL}; identity: MobileFaceNet, 112x112 RGB aligned by five points, ImageNet normalisation; mesh: "
        "192x192, square of 1.4 box heights upright by the eyes, then once more of 1.5 times the mesh, flag 0.5; pose "
        "and expression: 3DDFA v2 mb05, 120x120 BGR, square of the diagonal of brows and jaw; openness: 1 - mean of "
        "the iris box / 85th percentile around the eye, grey, mean of both eyes"
    )

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        import torch

        from semo.features.nets.facemesh import FaceMesh
        from semo.features.nets.loading import filled, read_tensors
        from semo.features.nets.mobilefacenet import MobileFaceNet
        from semo.features.nets.tddfa import TDDFA, read_whitening

        self.device = device
        self.find = face_finder(files["yunet_n_dynamic.onnx"])
        path = files["mobilefacenet_foamliu.pt"]
        self.identity = filled(MobileFaceNet(), read_tensors(path), path, device)
        path = files["mediapipe_facemesh468.pth"]
        self.mesh = filled(FaceMesh(), read_tensors(path), path, device)
        path = files["3ddfa_v2_mb05_120x120.pth"]
        tensors = {key.removeprefix("module."): t for key, t in read_tensors(path).get("state_dict", {}).items()}
        self.model = filled(TDDFA(), tensors, path, device)
        self.mean, self.deviation = read_whitening(files["3ddfa_v2_param_mean_std_62d_120x120.pkl"])
        for network in (self.identity, self.mesh, self.model):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time of depthwise convolutions

    def start(self) -> Session:
        return _FacesSession(self)

    def describe(self, frames: list[np.ndarray], rows: np.ndarray) -> Features:
        """Frames with the faces found in them, (n, 15) -> the arrays of n frames, except `size`."""
        points = rows[:, 4:14].reshape(-1, 5, 2).astype(np.float64)
        mesh, _, _ = self._mesh(frames, _upright(rows, points))
        mesh, depth, flag = self._mesh(frames, [_around(m) for m in mesh])
        coefficients = self._coefficients(frames, mesh)
        found = {
            "boxes": rows[:, :4],
            "points": points,
            "identity": self._identity(frames, points),
            "mesh": mesh,
            "depth": depth,
            "pose": _angles(coefficients[:, :12]),
            "shape": coefficients[:, 12:52],
            "expression": coefficients[:, 52:],
            "openness": _openness(frames, mesh),
        }
        for values in found.values():
            values[flag < FLAG] = np.nan
        return {name: values.astype(np.float32) for name, values in found.items()}

    def _forward(self, network, crops: list[np.ndarray], mean, deviation):
        """uint8 crops -> output of the network for (crop - mean) / deviation."""
        import torch

        x = (np.stack(crops).astype(np.float32) - np.float32(mean)) / np.float32(deviation)
        with torch.inference_mode():
            return network(torch.from_numpy(x).permute(0, 3, 1, 2).to(self.device))  # channels last, as stacked

    def _mesh(self, frames: list[np.ndarray], squares: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points in the frame, their depth, probability of a face."""
        maps = [square(x, y, side, 192, angle) for x, y, side, angle in squares]
        crops = [cut(frame, to_crop, 192) for frame, to_crop in zip(frames, maps, strict=True)]
        points, flag = (out.cpu().numpy() for out in self._forward(self.mesh, crops, 0.0, 255.0))
        points = points.astype(np.float64)
        flat = np.stack([back(m, p) for m, p in zip(maps, points[..., :2], strict=True)])
        depth = points[..., 2] * (np.array([side for _, _, side, _ in squares]) / 192)[:, None]
        return flat, depth - depth.mean(1, keepdims=True), flag

    def _identity(self, frames: list[np.ndarray], points: np.ndarray) -> np.ndarray:
        crops = [cut(frame, similarity(p, ALIGNED), 112) for frame, p in zip(frames, points, strict=True)]
        mean, deviation = 255.0 * np.array(IMAGENET_MEAN), 255.0 * np.array(IMAGENET_DEVIATION)
        vectors = self._forward(self.identity, crops, mean, deviation).cpu().numpy().astype(np.float64)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def _coefficients(self, frames: list[np.ndarray], mesh: np.ndarray) -> np.ndarray:
        crops = []
        for frame, outline in zip(frames, mesh[:, OUTLINE], strict=True):
            low, high = outline.min(0), outline.max(0)
            (x, y), side = (low + high) / 2, np.sqrt(2.0) * (high - low).max()
            crops.append(cut(frame, square(x, y, side, 120), 120)[..., ::-1])
        whitened = self._forward(self.model, crops, 127.5, 128.0).cpu().numpy()
        return whitened.astype(np.float64) * self.deviation + self.mean


def _angles(pose: np.ndarray) -> np.ndarray:
    from semo.features.nets.tddfa import euler_angles

    return euler_angles(pose)


def _openness(frames: list[np.ndarray], mesh: np.ndarray) -> np.ndarray:
    """1 - brightness where the irises are over that of the skin, mean of both eyes, (n,): it halves in a blink.

    Measured on pixels, since the mesh follows the lids too little: the aspect ratio of its eyes falls by 15% only.
    """
    import cv2

    found = np.zeros(len(frames))
    for i, (frame, points) in enumerate(zip(frames, mesh, strict=True)):
        for corners in CORNERS:
            crop = cut(frame, similarity(points[corners], EYE_CROP), 48)
            grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float64)
            skin = max(1.0, float(np.percentile(grey[12:36, 8:40], 85)))
            found[i] += 0.5 * (1.0 - grey[17:27, 16:32].mean() / skin)
    return found


def _upright(rows: np.ndarray, points: np.ndarray) -> list[tuple]:
    """First crops for the mesh, (x, y, side, angle): a little below the middle of the box, turned with the eyes.

    Where the second crop settles, on average over real clips: 1.4 box heights wide, 0.035 of that below.
    """
    found = []
    for (x, y, width, height), p in zip(rows[:, :4].astype(np.float64), points, strict=True):
        angle, side = _tilt(p[0], p[1]), 1.4 * max(width, height)
        lower = 0.035 * side
        found.append((x + width / 2 - np.sin(angle) * lower, y + height / 2 + np.cos(angle) * lower, side, angle))
    return found


def _around(mesh: np.ndarray) -> tuple:
    """Second crop, as MediaPipe cuts its next frame: 1.5 times the upright extent of the points."""
    angle = _tilt(mesh[EYES[0]], mesh[EYES[1]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = mesh @ turn.T
    low, high = upright.min(0), upright.max(0)
    x, y = turn.T @ ((low + high) / 2)
    return x, y, 1.5 * (high - low).max(), angle


def _tilt(left: np.ndarray, right: np.ndarray) -> float:
    """Angle of the line from the left to the right eye of the picture, radians, clockwise positive."""
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


class _FacesSession(Session):
    """Frames with a face wait until a batch is full, so that results do not depend on how a clip is cut."""

    WIDTHS = {"boxes": (4,), "points": (5, 2), "identity": (128,), "mesh": (468, 2), "depth": (468,), "pose": (3,),
              "shape": (40,), "expression": (10,), "openness": ()}  # fmt: skip

    def __init__(self, extractor: Faces):
        self.extractor = extractor
        self.count, self.size = 0, (0, 0)
        self.previous: np.ndarray | None = None
        self.waiting: list[tuple[int, np.ndarray, np.ndarray]] = []  # number, frame, row of its face
        self.found: list[tuple[list[int], Features]] = []

    def add(self, frames: np.ndarray) -> None:
        self.size = frames.shape[1:3]
        for frame in frames:
            face = follow(self.extractor.find(frame), self.previous)
            if face is not None:
                self.previous = face
                self.waiting.append((self.count, frame, face))
            self.count += 1
            if len(self.waiting) == BATCH:
                self._describe()

    def _describe(self) -> None:
        numbers, frames, faces = zip(*self.waiting, strict=True)
        self.found.append((list(numbers), self.extractor.describe(list(frames), np.stack(faces))))
        self.waiting = []

    def finish(self, waveform: np.ndarray | None) -> Features:
        if self.waiting:
            self._describe()
        features = {name: np.full((self.count, *width), np.nan, np.float32) for name, width in self.WIDTHS.items()}
        for numbers, part in self.found:
            for name, values in part.items():
                features[name][numbers] = values
        return {**features, "size": np.array(self.size, np.float32)}


NETWORKS = (Faces,)
