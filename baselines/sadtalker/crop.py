"""Which part of a picture the networks see: the aligned square that coefficients are read from, and the face's square.

Face points are those of a `Face`: eyes, nose tip, mouth corners, left to right in the picture, in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from baselines.blocks.animate import fit
from baselines.inputs.face import Face
from baselines.sadtalker.face_recon import SIDE

NOSE, CORNERS = {68: 30, 468: 1}, {68: (48, 54), 468: (61, 291)}  # by the points of a mesh
EYES = {68: ((36, 39), (42, 45)), 468: ((33, 133), (362, 263))}  # the two corners of each
STANDARD = np.array(  # the five points of the mean face of Deep3DFaceReconstruction: x right, y up, z to the camera
    [
        [-0.31148657, 0.09036078, 0.13377953],
        [0.30979887, 0.08972035, 0.13179526],
        [0.0032535, -0.04617932, 0.55244243],
        [-0.25216928, -0.38133916, 0.22405732],
        [0.2484662, -0.38128236, 0.22235769],
    ]
)
PIXELS_PER_UNIT = 102.0  # of the mean face in the aligned square
FEATHER = 0.08  # of the side: how far a pasted square fades into the picture


def five_points(face: Face) -> np.ndarray:
    """(5, 2) of the face's first frame."""
    mesh = face.mesh[0, :, :2].astype(np.float64)
    kind = len(mesh)
    eyes = [mesh[list(corners)].mean(0) for corners in EYES[kind]]
    return np.stack([*eyes, mesh[NOSE[kind]], *mesh[list(CORNERS[kind])]])


def aligned(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the square whose face is as large and as central as the mean face, uint8 (224, 224, 3).

    Scale and place come from the least squares fit of an orthographic camera to the five points; the picture is not
    turned, and black beyond its edge.
    """
    flipped = np.stack([points[:, 0], picture.shape[0] - 1 - points[:, 1]], axis=1)
    solution = np.linalg.lstsq(np.column_stack([STANDARD, np.ones(5)]), flipped, rcond=None)[0]  # (4, 2)
    scale = np.linalg.norm(solution[:3], axis=0).mean()  # pixels per unit
    half = SIDE / 2 * scale / PIXELS_PER_UNIT
    x, y = solution[3, 0], picture.shape[0] - 1 - solution[3, 1]
    margin = int(np.ceil(max(0.0, half - x, half - y, x + half - picture.shape[1], y + half - picture.shape[0])))
    padded = Image.fromarray(np.pad(picture, ((margin, margin), (margin, margin), (0, 0))))
    box = (x - half + margin, y - half + margin, x + half + margin, y + half + margin)
    return np.asarray(padded.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))


@dataclass(frozen=True)
class Square:
    """`side` pixels from column `x` and row `y` on; it may reach beyond the picture."""

    x: int
    y: int
    side: int

    def cut(self, picture: np.ndarray, size: int) -> np.ndarray:
        """uint8 (H, W, 3) -> (size, size, 3); beyond the picture its edge is repeated."""
        height, width = picture.shape[:2]
        rows = np.clip(np.arange(self.y, self.y + self.side), 0, height - 1)
        columns = np.clip(np.arange(self.x, self.x + self.side), 0, width - 1)
        return fit(picture[rows[:, None], columns], (size, size))

    def paste(self, picture: np.ndarray, square: np.ndarray) -> np.ndarray:
        """A copy of the picture with `square` in its place, faded in from its edges."""
        y0, x0 = max(0, self.y), max(0, self.x)
        y1, x1 = min(picture.shape[0], self.y + self.side), min(picture.shape[1], self.x + self.side)
        inside = np.s_[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        depth = np.minimum(np.arange(self.side), np.arange(self.side)[::-1]) + 1
        ramp = np.minimum(1.0, depth / (FEATHER * self.side))
        weight = np.minimum.outer(ramp, ramp)[inside][..., None]
        made = picture.copy()
        fitted = fit(square, (self.side, self.side))[inside]
        made[y0:y1, x0:x1] = np.rint(weight * fitted + (1 - weight) * picture[y0:y1, x0:x1])
        return made


def face_square(points: np.ndarray) -> Square:
    """The upright square around FFHQ's square of a face (Karras et al., CVPR 2019) from its five points."""
    left, right, _, *mouth = points
    eyes, lips = (left + right) / 2, np.mean(mouth, axis=0)
    across, down = right - left, lips - eyes
    x = across - np.array([-down[1], down[0]])
    x *= max(2 * np.linalg.norm(across), 1.8 * np.linalg.norm(down)) / np.linalg.norm(x)
    half = np.abs(x).sum()  # a square turned by any angle fits into one of |x| + |y|
    centre = eyes + 0.1 * down
    corner = np.rint(centre - half).astype(int)
    return Square(int(corner[0]), int(corner[1]), max(1, int(np.rint(2 * half))))
