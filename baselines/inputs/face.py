"""One face over some frames: mesh, head pose and expression, in pixels of those frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from baselines.inputs import layouts

# kind -> what fills the inputs that the originals take from detectors and 3D face models; reports print it
STANDS_IN = {
    "annotated": "ground truth of the rendered clips: the renderer's 25 morph weights, the head's angles and the place "
    "and extent of the landmarks in the picture stand in for the coefficients of a 3D face model, iBUG's 68 landmarks "
    "with their depth for MediaPipe's mesh of 468 points, and boxes of these landmarks for detected faces and lips",
    "detected": "networks of the compact tier: 10 expression numbers and the head's angles of 3DDFA v2 with the place "
    "and extent of the mesh stand in for the coefficients of a 3D face model; the mesh is MediaPipe's, 468 points, of "
    "the largest face that YuNet finds",
}


@dataclass(frozen=True)
class Face:
    """float32 arrays over T frames of `size` = (height, width).

    `mesh` (T, K, 3): x to the right and y down in pixels of the frame, z away from the camera in the same unit,
    relative to the mean of the face; `layout` says which points they are (`layouts.IBUG68`, `layouts.MEDIAPIPE468`).
    `pose` (T, 3): yaw, pitch, roll in degrees; positive yaw turns to the right of the image, positive pitch looks up.
    `expression` (T, E): the renderer's morph weights (`annotated.UNITS`), or the 10 numbers of 3DDFA v2. Rows of NaN
    are frames without a face. `kind`: `annotated` or `detected`.
    """

    kind: str
    size: tuple[int, int]
    mesh: np.ndarray
    pose: np.ndarray
    expression: np.ndarray

    def __post_init__(self) -> None:
        frames = len(self.mesh)
        if self.mesh.shape != (frames, self.layout.points, 3) or self.pose.shape != (frames, 3):
            raise ValueError(f"a face of {frames} frames has mesh {self.mesh.shape} and pose {self.pose.shape}")
        if len(self.expression) != frames:
            raise ValueError(f"a face of {frames} frames has {len(self.expression)} expressions")

    @property
    def layout(self) -> layouts.Layout:
        """Which point of the mesh is what."""
        return layouts.of(self.mesh.shape[1])

    def __len__(self) -> int:
        return len(self.mesh)

    def __getitem__(self, frames: slice) -> Face:
        return replace(self, mesh=self.mesh[frames], pose=self.pose[frames], expression=self.expression[frames])

    @property
    def found(self) -> np.ndarray:
        """bool (T,): frames with a face."""
        return np.isfinite(self.mesh).all((1, 2))

    @property
    def box(self) -> np.ndarray:
        """(T, 4): x0, y0, x1, y1 around the whole mesh."""
        return _box(self.mesh)

    @property
    def lips(self) -> np.ndarray:
        """(T, 4): x0, y0, x1, y1 around the lips."""
        return _box(self.mesh[:, list(self.layout.lips)])

    def scaled(self, size: tuple[int, int]) -> Face:
        """The same face in frames of another size; depth scales as width does."""
        factors = np.array([size[1] / self.size[1], size[0] / self.size[0], size[1] / self.size[1]], np.float32)
        return replace(self, size=size, mesh=self.mesh * factors)

    def coefficients(self, expressions: int = 64) -> np.ndarray:
        """What stands in for the coefficients of a 3D face model, (T, expressions + 6), as SadTalker orders them.

        Expression, zero-padded or cut; pitch, yaw, roll in radians; centre of the mesh in [-1, 1] of the frame, x right
        and y down; logarithm of the mesh's extent relative to the frame.
        """
        padded = np.zeros((len(self), expressions), np.float32)
        kept = min(expressions, self.expression.shape[1])
        padded[:, :kept] = self.expression[:, :kept]
        sides = np.array(self.size[::-1], np.float32)
        box = self.box
        centre = (box[:, :2] + box[:, 2:]) / sides - 1
        extent = np.log(((box[:, 2:] - box[:, :2]) / sides).mean(1, keepdims=True))
        angles = np.deg2rad(self.pose[:, [1, 0, 2]])
        return np.concatenate([padded, angles, centre, extent], 1).astype(np.float32)


def _box(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points[..., :2].min(1), points[..., :2].max(1)], 1)
