"""Triangle rasterisers: perspective-correct visibility and orthographic depth (numba, single-threaded, no fastmath)."""
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def pixel_range(a, b, c, limit):
    """Half-open range of pixel indices whose centres can lie within [min, max] of a, b, c, cut to [0, limit)."""
    low = max(int(np.floor(min(a, b, c) + 0.5)), 0)
    high = min(int(np.floor(max(a, b, c) + 0.5)), limit)
    return low, high


@njit(cache=True)
def rasterise(sx, sy, inv_z, triangles, first, last, triangle_id, bary0, bary1, depth):
    """Draw triangles[first:last] into the buffers where they are nearest.

    sx, sy (n,) pixel coordinates; inv_z (n,) inverse distance to the camera. Buffers (H,W): triangle_id int32,
    bary0 and bary1 perspective-correct barycentric weights of the first two corners, depth = inverse distance
    (greater is nearer, 0 = empty).
    """
    height, width = depth.shape
    for t in range(first, last):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = sx[i], sy[i], sx[j], sy[j], sx[k], sy[k]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if -1e-9 < area < 1e-9:
            continue
        xa, xb = pixel_range(x0, x1, x2, width)
        ya, yb = pixel_range(y0, y1, y2, height)
        scale = 1.0 / area
        for py in range(ya, yb):
            fy = py + 0.5
            for px in range(xa, xb):
                fx = px + 0.5
                a = ((x1 - fx) * (y2 - fy) - (x2 - fx) * (y1 - fy)) * scale
                b = ((x2 - fx) * (y0 - fy) - (x0 - fx) * (y2 - fy)) * scale
                c = 1.0 - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                q = a * inv_z[i] + b * inv_z[j] + c * inv_z[k]
                if q > depth[py, px]:
                    depth[py, px] = q
                    triangle_id[py, px] = t
                    bary0[py, px] = a * inv_z[i] / q
                    bary1[py, px] = b * inv_z[j] / q


@njit(cache=True)
def fringe_cut(x, y, z, fringe):
    """Trim of hair that would hang over the eyes: 0 kept .. 1 cut. fringe = eye |x|, y, z, phase (decimetres)."""
    inside = min(max((z - fringe[2] + 0.25) / 0.10, 0.0), 1.0) * min(max((fringe[0] + 0.27 - abs(x)) / 0.08, 0.0), 1.0)
    line = fringe[1] + 0.24 + 0.03 * np.sin(x * 9 + fringe[3]) + 0.012 * np.sin(x * 41)
    return inside * min(max((line - y) / 0.16, 0.0), 1.0)


@njit(cache=True)
def rasterise_depth(sx, sy, distance, uv, rest, fringe, triangles, first, last, alpha, use_alpha, depth):
    """Orthographic depth map (S,S), greater = nearer to the light; hair texels with alpha < 0.4 let light through."""
    n = alpha.shape[0]
    size = depth.shape[0]
    for t in range(first, last):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = sx[i], sy[i], sx[j], sy[j], sx[k], sy[k]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if -1e-9 < area < 1e-9:
            continue
        xa, xb = pixel_range(x0, x1, x2, size)
        ya, yb = pixel_range(y0, y1, y2, size)
        scale = 1.0 / area
        for py in range(ya, yb):
            fy = py + 0.5
            for px in range(xa, xb):
                fx = px + 0.5
                a = ((x1 - fx) * (y2 - fy) - (x2 - fx) * (y1 - fy)) * scale
                b = ((x2 - fx) * (y0 - fy) - (x0 - fx) * (y2 - fy)) * scale
                c = 1.0 - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                q = a * distance[i] + b * distance[j] + c * distance[k]
                if q <= depth[py, px]:
                    continue
                if use_alpha:
                    u = a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0]
                    v = 1 - (a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1])
                    if alpha[min(max(int(v * n), 0), n - 1), min(max(int(u * n), 0), n - 1)] < 0.4:
                        continue
                    if fringe_cut(a * rest[i, 0] + b * rest[j, 0] + c * rest[k, 0],
                                  a * rest[i, 1] + b * rest[j, 1] + c * rest[k, 1],
                                  a * rest[i, 2] + b * rest[j, 2] + c * rest[k, 2], fringe) > 0.5:
                        continue
                depth[py, px] = q
