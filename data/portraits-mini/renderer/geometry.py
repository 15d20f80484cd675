"""Rotations and small mesh kernels. Lengths are decimetres; y is up, z points from the face to the camera."""
from __future__ import annotations

import numpy as np
from numba import njit


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix (3,3) for column vectors, angles in radians.

    Positive yaw turns the head to the right of the image, positive pitch looks up.
    """
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(-pitch), np.sin(-pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Axis times angle (radians) of a rotation matrix; valid for angles below pi."""
    angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
    if angle < 1e-9:
        return np.zeros(3)
    skew = [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    return angle / (2 * np.sin(angle)) * np.array(skew)


@njit(cache=True)
def pose_points(points, head_weight, pivot, neck, axis, angle, shift, body, out):
    """Rotate every point by its share of the head rotation about pivot, then by the torso rotation about neck.

    points (n,3), head_weight (n,) 0 torso .. 1 head, axis unit (3,), angle radians, shift (3,), body (3,3).
    """
    for i in range(points.shape[0]):
        w = head_weight[i]
        x, y, z = points[i, 0] - pivot[0], points[i, 1] - pivot[1], points[i, 2] - pivot[2]
        c, s = np.cos(angle * w), np.sin(angle * w)
        dot = (x * axis[0] + y * axis[1] + z * axis[2]) * (1 - c)
        rx = x * c + (axis[1] * z - axis[2] * y) * s + axis[0] * dot
        ry = y * c + (axis[2] * x - axis[0] * z) * s + axis[1] * dot
        rz = z * c + (axis[0] * y - axis[1] * x) * s + axis[2] * dot
        rx += pivot[0] - neck[0] + shift[0] * w
        ry += pivot[1] - neck[1] + shift[1] * w
        rz += pivot[2] - neck[2] + shift[2] * w
        for q in range(3):
            out[i, q] = body[q, 0] * rx + body[q, 1] * ry + body[q, 2] * rz + neck[q]


@njit(cache=True)
def vertex_normals(points, triangles, out):
    """Area-weighted unit normals (n,3) of an indexed mesh."""
    out[:] = 0.0
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-12
        out[v, 0] /= length
        out[v, 1] /= length
        out[v, 2] /= length


@njit(cache=True)
def fit_proxy(base, reference, weight, offset, out):
    """Positions (n,3) of proxy vertices: weighted sum of three base vertices plus an offset."""
    for i in range(reference.shape[0]):
        for q in range(3):
            out[i, q] = (offset[i, q] + weight[i, 0] * base[reference[i, 0], q]
                         + weight[i, 1] * base[reference[i, 1], q] + weight[i, 2] * base[reference[i, 2], q])


@njit(cache=True)
def add_morph(points, index, delta, weight):
    """points[index] += weight * delta, in place."""
    for i in range(index.shape[0]):
        for q in range(3):
            points[index[i], q] += weight * delta[i, q]


def smoothstep(x: np.ndarray, start: float, end: float) -> np.ndarray:
    """Cubic step: 0 before start, 1 after end."""
    s = np.clip((x - start) / (end - start), 0, 1)
    return s * s * (3 - 2 * s)
