"""Numba samplers used while shading: textures, value noise, soft shadows."""
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def bilinear(texture, u, v, out):
    """Bilinear sample of texture (n,m,C) at u right, v up in [0,1] into out (C,)."""
    n = texture.shape[0]
    m = texture.shape[1]
    x = u * m - 0.5
    y = (1 - v) * n - 0.5
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    fx = x - x0
    fy = y - y0
    xa = min(max(x0, 0), m - 1)
    xb = min(max(x0 + 1, 0), m - 1)
    ya = min(max(y0, 0), n - 1)
    yb = min(max(y0 + 1, 0), n - 1)
    for c in range(out.shape[0]):
        top = texture[ya, xa, c] * (1 - fx) + texture[ya, xb, c] * fx
        out[c] = top * (1 - fy) + (texture[yb, xa, c] * (1 - fx) + texture[yb, xb, c] * fx) * fy


@njit(cache=True)
def normalise(vector):
    """Scale a vector (3,) to length 1, in place."""
    length = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) + 1e-9
    for q in range(3):
        vector[q] /= length


@njit(cache=True)
def lattice_hash(x, y, z):
    """Pseudo-random value in [0,1] of an integer lattice point."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 65535.0


@njit(cache=True)
def noise(x, y, z):
    """Smooth value noise in [-0.5, 0.5] with unit lattice."""
    xi = int(np.floor(x))
    yi = int(np.floor(y))
    zi = int(np.floor(z))
    fx = x - xi
    fy = y - yi
    fz = z - zi
    fx = fx * fx * (3 - 2 * fx)
    fy = fy * fy * (3 - 2 * fy)
    fz = fz * fz * (3 - 2 * fz)
    total = 0.0
    for dz in range(2):
        wz = fz if dz else 1 - fz
        for dy in range(2):
            wy = fy if dy else 1 - fy
            near = lattice_hash(xi, yi + dy, zi + dz) * (1 - fx)
            total += wz * wy * (near + lattice_hash(xi + 1, yi + dy, zi + dz) * fx)
    return total - 0.5


@njit(cache=True)
def light_visibility(px, py, pz, matrix, depth, bias):
    """Share of light reaching a point (0..1): 5x5 filtered look-up in the light's depth map.

    matrix (3,4) maps world to (map x, map y, depth); bias in decimetres.
    """
    size = depth.shape[0]
    x = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
    y = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
    d = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3] + bias
    xi = int(np.floor(x))
    yi = int(np.floor(y))
    fx = x - xi - 0.5
    fy = y - yi - 0.5
    if xi < 2 or yi < 2 or xi >= size - 2 or yi >= size - 2:
        return 1.0
    total = 0.0
    weights_x = 0.0
    weights_y = 0.0
    for dy in range(-2, 3):
        row = 0.0
        for dx in range(-2, 3):
            w = max(0.0, 2.6 - abs(dx - fx))
            if depth[yi + dy, xi + dx] <= d:
                row += w
            if dy == 0:
                weights_x += w
        w = max(0.0, 2.6 - abs(dy - fy))
        weights_y += w
        total += w * row
    return total / (weights_x * weights_y)
