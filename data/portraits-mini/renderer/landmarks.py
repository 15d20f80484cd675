"""The 68 iBUG landmarks, their visibility, and the boxes of face and mouth."""
from __future__ import annotations

import numpy as np

from assets import Assets

INNER_LIPS = slice(60, 68)
MOUTH = slice(48, 68)


class _Picker:
    """Nearest-vertex queries on the neutral base mesh."""

    def __init__(self, assets: Assets):
        self.vertices = assets.vertices
        uv = assets.arrays["body/uv"]
        inside = inside_mouth(uv)
        self.outer = np.unique(assets.arrays["body/vmap"][~inside & (uv[:, 0] > .6)])

    def near(self, point, candidates=None, weights=(1, 1, .5)) -> int:
        c = self.outer if candidates is None else candidates
        return int(c[np.argmin((((self.vertices[c] - point) * weights) ** 2).sum(1))])

    def mirror(self, vertex: int) -> int:
        return self.near(self.vertices[vertex] * [-1, 1, 1], weights=(1, 1, 1))


def inside_mouth(uv: np.ndarray) -> np.ndarray:
    """Texture coordinates (n,2) that belong to the mouth cavity."""
    return ((uv[:, 1] < .16) & (uv[:, 0] > .74)) | ((uv[:, 0] < .18) & (uv[:, 1] > .5) & (uv[:, 1] < .68))


def _contour(pick: _Picker, head: np.ndarray) -> list[int]:
    """Jaw line: the widest front vertex at each height, chin from the midline."""
    half = [pick.near(p, head, (1, 1, 1)) for p in ([-.68, 7.22, .78], [-.675, 7.06, .76], [-.665, 6.90, .76])]
    v = pick.vertices
    for y, z in zip((6.74, 6.59, 6.46, 6.35, 6.275), (.76, .86, 1.0, 1.16, 1.32)):
        level = head[(np.abs(v[head, 1] - y) < .035) & (np.abs(v[head, 2] - z) < .16) & (v[head, 0] < 0)]
        half.append(int(level[np.argmin(v[level, 0])]))
    return half + [pick.near([0, 6.24, 1.47])] + [pick.mirror(i) for i in half[::-1]]


def _eyes(pick: _Picker, assets: Assets) -> list[int]:
    """Upper lid points are the vertices that close most, lower ones where those land."""
    v = pick.vertices
    closing = np.zeros_like(v)
    index, delta = assets.target("expr/caucasian/eye-right-closure")
    closing[index] = delta
    o = pick.outer
    region = o[(v[o, 0] < -.12) & (v[o, 0] > -.55) & (np.abs(v[o, 1] - 7.27) < .16) & (v[o, 2] > 1.2)]
    still = region[np.linalg.norm(closing[region], axis=1) < .012]
    upper, lower = [], []
    for x in (-.405, -.265):
        column = region[np.abs(v[region, 0] - x) < .03]
        top = int(column[np.argmin(closing[column, 1])])
        upper.append(top)
        lower.append(pick.near(v[top] + closing[top], still, (1, 1, 1)))
    right = [pick.near([-.495, 7.262, 1.30]), upper[0], upper[1], pick.near([-.182, 7.238, 1.39]), lower[1], lower[0]]
    left = [pick.mirror(i) for i in right]
    return right + [left[3], left[2], left[1], left[0], left[5], left[4]]


def _lips(pick: _Picker, assets: Assets) -> list[int]:
    base = {int(b): i for i, b in enumerate(assets.arrays["base/ids"])}
    near, mirror = pick.near, pick.mirror
    upper = [near([-.255, 6.612, 1.38]), near([-.16, 6.685, 1.49]), near([-.065, 6.73, 1.565])]
    lower = [near([-.09, 6.497, 1.54]), near([-.175, 6.545, 1.47])]
    corner, inner_low, inner_up = near([-.235, 6.613, 1.40]), near([-.10, 6.597, 1.52]), near([-.10, 6.614, 1.535])
    outer = upper + [base[362]] + [mirror(i) for i in upper[::-1]]
    outer += [mirror(lower[1]), mirror(lower[0]), base[492], lower[0], lower[1]]
    return outer + [corner, inner_up, base[474], mirror(inner_up), mirror(corner), mirror(inner_low), base[493],
                    inner_low]


def landmark_vertices(assets: Assets) -> np.ndarray:
    """Base-vertex indices (68,) in iBUG order, the subject's right (image left) first."""
    pick = _Picker(assets)
    near, mirror = pick.near, pick.mirror
    head = pick.outer[assets.head_weight[pick.outer] > .97]
    brow = [near(p) for p in ([-.60, 7.355, 1.25], [-.50, 7.41, 1.36], [-.38, 7.425, 1.43], [-.26, 7.405, 1.47],
                              [-.15, 7.375, 1.49])]
    bridge = [near([0, y, 1.6]) for y in (7.323, 7.196, 7.067, 6.938)]
    nostril = [near([-.16, 6.875, 1.47]), near([-.085, 6.85, 1.55])]
    nose = bridge + nostril + [near([0, 6.845, 1.62])] + [mirror(i) for i in nostril[::-1]]
    ids = _contour(pick, head) + brow + [mirror(i) for i in brow[::-1]] + nose + _eyes(pick, assets)
    return np.array(ids + _lips(pick, assets), np.int32)


def visible_landmarks(points: np.ndarray, inv_z: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """(68,) bool: inside the frame and not behind another opaque surface (hair, brows and lashes do not hide).

    points (68,2) pixels of a size x size frame, inv_z (68,) inverse camera distance, depth (n,n) of the rasteriser.
    """
    n = depth.shape[0]
    cell = np.floor(points * n / size).astype(int)
    inside = ((cell >= 0) & (cell < n)).all(1)
    c = np.clip(cell, 0, n - 1)
    y0, y1 = np.clip(c[:, 1] - 1, 0, n - 1), np.clip(c[:, 1] + 1, 0, n - 1)
    x0, x1 = np.clip(c[:, 0] - 1, 0, n - 1), np.clip(c[:, 0] + 1, 0, n - 1)
    # the farthest of the neighbourhood: a point on the outline is visible while one pixel beside it is not nearer
    around = np.stack([depth[y, x] for y in (y0, c[:, 1], y1) for x in (x0, c[:, 0], x1)])
    return inside & (inv_z >= around.min(0) * .994)


def face_box(points: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 in pixels of the face: landmarks (68,2), raised above the brows by half their height to chin."""
    x0, y0 = points.min(0)
    x1, y1 = points.max(0)
    return np.array([x0, y0 - .30 * (y1 - y0), x1, y1])


def mouth_box(points: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 in pixels of the mouth: its 20 landmarks with a margin of a fifth of their width."""
    lips = points[MOUTH]
    margin = .2 * (lips[:, 0].max() - lips[:, 0].min())
    return np.concatenate([lips.min(0) - margin, lips.max(0) + margin])


