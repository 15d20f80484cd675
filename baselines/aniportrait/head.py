"""A face mesh as a shape in the head's own frame, a head pose and a camera: what AniPortrait's audio networks predict.

Upstream takes all three from MediaPipe's face geometry. Here they come from any `Face`: its pose gives the rotation,
its eyes the scale and the place. Lengths are centimetres of a face whose eyes are as far apart as those of MediaPipe's
canonical face. x points to the right of the picture, y up, z towards the camera; the camera, at the origin, sees
63 degrees from top to bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from baselines.inputs.face import Face
from baselines.inputs.layouts import MEDIAPIPE468, MEDIAPIPE_AS_IBUG

FIELD_OF_VIEW = 63.0  # degrees from top to bottom, of MediaPipe's camera
EYE_DISTANCE = 6.302  # between the middles of the eyes of MediaPipe's canonical face
EYES = np.array([0.0, 2.62, 3.47])  # where in the head's frame the point between the eyes is
FLIP = np.array([1.0, -1.0, -1.0])  # a Face has y down and z away from the camera
POSE = 6  # Euler angles about the fixed axes x, y, z in degrees, then a translation


@dataclass(frozen=True)
class Head:
    """Over T frames: `shape` (T, K, 3) in the head's frame, `rotation` (T, 3, 3) and `place` (T, 3) of the head."""

    shape: np.ndarray
    rotation: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, face: Face) -> Head:
        """The head of every frame with a face; rows of NaN elsewhere. `projected` gives the mesh of the face again."""
        height, width = face.size
        layout, focal = face.layout, focal_length(height)
        corners = [(eye[0], eye[len(eye) // 2]) for eye in (layout.left_eye, layout.right_eye)]
        mesh = face.mesh.astype(np.float64) * FLIP
        left, right = (mesh[:, pair].mean(1) for pair in corners)
        per_cm = np.linalg.norm(right - left, axis=1)[:, None] / EYE_DISTANCE  # pixels
        middle = (left + right) / 2
        depth = focal / per_cm - (mesh[..., 2] - middle[:, None, 2]) / per_cm  # (T, K), of every point
        seen = (mesh[..., :2] - np.array([width, -height]) / 2) * (depth / focal)[..., None]
        points = np.concatenate([seen, -depth[..., None]], -1)
        left, right = (points[:, pair].mean(1) for pair in corners)
        rotation = rotations(face.pose)
        place = (left + right) / 2 - rotation @ EYES
        return cls((points - place[:, None]) @ rotation, rotation, place)

    def __getitem__(self, frames: slice) -> Head:
        return Head(self.shape[frames], self.rotation[frames], self.place[frames])

    def motion(self, first: Head) -> np.ndarray:
        """Pose (T, 6) relative to the one frame of `first`, in the frame of that head."""
        turned = first.rotation[0].T @ self.rotation
        moved = (self.place - first.place[0]) @ first.rotation[0]
        return np.concatenate([_euler(turned), moved], 1)

    def moved(self, offsets: np.ndarray, motion: np.ndarray) -> Head:
        """The one frame of this head with offsets (T, K, 3) of its shape and a pose (T, 6) relative to its own."""
        safe = np.nan_to_num(motion)
        turned = Rotation.from_euler("xyz", safe[:, :3], degrees=True).as_matrix()
        place = self.place[0] + safe[:, 3:] @ self.rotation[0].T
        return Head(self.shape[0] + offsets, self.rotation[0] @ turned, place)

    def projected(self, size: tuple[int, int]) -> np.ndarray:
        """Points (T, K, 2) in pixels of a picture of (height, width), x right and y down."""
        height, width = size
        points = self.shape @ self.rotation.transpose(0, 2, 1) + self.place[:, None]
        scaled = points[..., :2] * (focal_length(height) / -points[..., 2:])
        return scaled * FLIP[:2] + np.array([width, height]) / 2


def as_ibug68(face: Face) -> Face:
    """A face by iBUG's 68 landmarks, whichever layout it is given in."""
    return replace(face, mesh=face.mesh[:, MEDIAPIPE_AS_IBUG]) if face.layout == MEDIAPIPE468 else face


def focal_length(height: int) -> float:
    """In pixels of a picture `height` pixels high."""
    return height / 2 / np.tan(np.deg2rad(FIELD_OF_VIEW / 2))


def rotations(pose: np.ndarray) -> np.ndarray:
    """`Face.pose` (T, 3), yaw, pitch and roll in degrees -> (T, 3, 3); roll is applied first, then pitch, then yaw."""
    safe = np.nan_to_num(np.asarray(pose, np.float64)) * np.array([1, -1, 1])
    return Rotation.from_euler("YXZ", safe, degrees=True).as_matrix()


def _euler(rotation: np.ndarray) -> np.ndarray:
    return Rotation.from_matrix(rotation).as_euler("xyz", degrees=True)
