"""Alpha-blended strands: hair, eyebrows and lashes, drawn from front to back and laid over the shaded image.

Front to back, a pixel that is already covered costs nothing more, and hair has many layers.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from raster import fringe_cut, pixel_range
from sampling import bilinear, light_visibility, noise, normalise
from shading import BROWS, HAIR, LASHES


@njit(cache=True)
def strand_highlight(spec, n, v, tangent, lights, colour, brightness, visible):
    """Kajiya-Kay highlights of three lights: a weak white lobe and a broad lobe in the hair's own colour."""
    for q in range(3):
        lx = lights[2 * q]
        h0 = lx[0] + v[0]
        h1 = lx[1] + v[1]
        h2 = lx[2] + v[2]
        length = np.sqrt(h0 * h0 + h1 * h1 + h2 * h2) + 1e-9
        along = (tangent[0] * h0 + tangent[1] * h1 + tangent[2] * h2) / length
        sine = np.sqrt(max(1 - along * along, 0.0))
        nl = max((n[0] * lx[0] + n[1] * lx[1] + n[2] * lx[2] + 0.2) / 1.2, 0.0)
        shine = nl * brightness * (visible if q == 0 else 1.0)
        white = 0.014 * sine ** 50 * shine
        own = 0.32 * sine ** 14 * shine
        for z in range(3):
            spec[z] += (white + own * min(colour[z], 0.25)) * lights[2 * q + 1, z]


@njit(cache=True)
def strand_tangent(n, tangent):
    """Direction of hanging hair: gravity projected on the surface, backwards where that vanishes (crown)."""
    along = -n[1]
    tangent[0] = -n[0] * along
    tangent[1] = -1 - n[1] * along
    tangent[2] = -n[2] * along
    length = np.sqrt(tangent[0] ** 2 + tangent[1] ** 2 + tangent[2] ** 2)
    if length < 0.15:
        tangent[0], tangent[1], tangent[2] = 0.0, -0.3, 1.0
        length = np.sqrt(1.09)
    for q in range(3):
        tangent[q] /= length


@njit(cache=True)
def opacity(part, mesh, textures, fringe, i, j, k, a, b, c, texel):
    """Alpha of one fragment; for hair texel (4,) receives the texture's colour."""
    u = a * mesh.uv[i, 0] + b * mesh.uv[j, 0] + c * mesh.uv[k, 0]
    w = a * mesh.uv[i, 1] + b * mesh.uv[j, 1] + c * mesh.uv[k, 1]
    if part == HAIR:
        bilinear(textures.hair, u, w, texel)
        cut = fringe_cut(a * mesh.rest[i, 0] + b * mesh.rest[j, 0] + c * mesh.rest[k, 0],
                         a * mesh.rest[i, 1] + b * mesh.rest[j, 1] + c * mesh.rest[k, 1],
                         a * mesh.rest[i, 2] + b * mesh.rest[j, 2] + c * mesh.rest[k, 2], fringe)
        return texel[3] * (1 - cut)
    one = texel[:1]
    if part == BROWS:
        bilinear(textures.brow, u, w, one)
        return one[0] * 0.9
    bilinear(textures.lash, u, w, one)
    return one[0] * 0.85


@njit(cache=True)
def hair_brightness(texel, mesh, material, i, j, k, a, b, c):
    """Relative brightness of a strand: flattened texture luminance times streaks along the hair."""
    lum = (0.3 * texel[0] + 0.5 * texel[1] + 0.2 * texel[2]) / material.hair_mean
    lum = min(max(lum, 0.3), 1.35) ** 0.6
    rx = a * mesh.rest[i, 0] + b * mesh.rest[j, 0] + c * mesh.rest[k, 0]
    ry = a * mesh.rest[i, 1] + b * mesh.rest[j, 1] + c * mesh.rest[k, 1]
    rz = a * mesh.rest[i, 2] + b * mesh.rest[j, 2] + c * mesh.rest[k, 2]
    fine = 0.20 * material.detail * noise(rx * 90 + 5, ry * 6, rz * 90)
    return lum * (1 + 0.45 * noise(rx * 30, ry * 3, rz * 30) + fine)


@njit(cache=True)
def strand_colour(pixel, share, part, n, v, tangent, brightness, occlusion, visible, material, lights, spec):
    """Add one lit fragment, weighted by its share of the pixel, to pixel (3,)."""
    kd = n[0] * lights[0, 0] + n[1] * lights[0, 1] + n[2] * lights[0, 2]
    fd = n[0] * lights[2, 0] + n[1] * lights[2, 1] + n[2] * lights[2, 2]
    rd = n[0] * lights[4, 0] + n[1] * lights[4, 1] + n[2] * lights[4, 2]
    up = 0.5 + 0.5 * n[1]
    spec[:] = 0.0
    if part == HAIR:
        strand_highlight(spec, n, v, tangent, lights, material.hair, brightness, visible)
    key = max((kd + 0.3) / 1.3, 0.0) * (0.25 + 0.75 * visible)
    fill = max((fd + 0.5) / 1.5, 0.0)
    rim = max((rd + 0.3) / 1.3, 0.0)
    for q in range(3):
        if part == HAIR:
            base = material.hair[q] * brightness
        else:
            base = material.brow[q] * (0.3 if part == LASHES else 1.0)
        ambient = (lights[3, q] * fill + lights[6, q] * up + lights[7, q] * (1 - up)) * occlusion
        lit = base * (lights[1, q] * key + ambient + lights[5, q] * rim) + spec[q] * (0.2 + 0.8 * occlusion)
        pixel[q] += share * lit


@njit(cache=True)
def strand_point(part, mesh, material, light, position, normal, camera, texel, i, j, k, a, b, c, n, v, tangent):
    """Fill normal n (towards the viewer), view v and tangent; returns key visibility, occlusion, brightness."""
    px = a * position[i, 0] + b * position[j, 0] + c * position[k, 0]
    py = a * position[i, 1] + b * position[j, 1] + c * position[k, 1]
    pz = a * position[i, 2] + b * position[j, 2] + c * position[k, 2]
    v[0], v[1], v[2] = camera[0] - px, camera[1] - py, camera[2] - pz
    for q in range(3):
        n[q] = a * normal[i, q] + b * normal[j, q] + c * normal[k, q]
    normalise(n)
    normalise(v)
    if n[0] * v[0] + n[1] * v[1] + n[2] * v[2] < 0:
        for q in range(3):
            n[q] = -n[q]
    occlusion = min(max(a * mesh.occlusion[i] + b * mesh.occlusion[j] + c * mesh.occlusion[k], 0.0), 1.0)
    visible = light_visibility(px, py, pz, light.matrix, light.depth, 0.12)
    brightness = 1.0
    if part == HAIR:
        brightness = hair_brightness(texel, mesh, material, i, j, k, a, b, c)
        strand_tangent(n, tangent)
    return visible, occlusion, brightness


@njit(cache=True)
def blend_strands(order, mesh, textures, material, light, fringe, sx, sy, inv_z, position, normal, camera, depth,
                  image):
    """Draw triangles in the given order (near to far) over image (H,W,3) where depth does not hide them."""
    height, width = depth.shape
    texel, n, v, tangent, spec = np.zeros(4), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    strands, through = np.zeros_like(image), np.ones((height, width))
    for rank in range(order.shape[0]):
        t = order[rank]
        i, j, k = mesh.triangles[t, 0], mesh.triangles[t, 1], mesh.triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = sx[i], sy[i], sx[j], sy[j], sx[k], sy[k]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if -1e-9 < area < 1e-9:
            continue
        xa, xb = pixel_range(x0, x1, x2, width)
        ya, yb = pixel_range(y0, y1, y2, height)
        part = mesh.part[t]
        bias = 1.0005 if part == HAIR else 1.004
        for py in range(ya, yb):
            fy = py + 0.5
            for px in range(xa, xb):
                fx = px + 0.5
                a = ((x1 - fx) * (y2 - fy) - (x2 - fx) * (y1 - fy)) / area
                b = ((x2 - fx) * (y0 - fy) - (x0 - fx) * (y2 - fy)) / area
                c = 1.0 - a - b
                if a < 0 or b < 0 or c < 0 or through[py, px] < 0.01:
                    continue
                w = a * inv_z[i] + b * inv_z[j] + c * inv_z[k]
                if w * bias < depth[py, px]:
                    continue
                a = a * inv_z[i] / w
                b = b * inv_z[j] / w
                c = 1 - a - b
                alpha = opacity(part, mesh, textures, fringe, i, j, k, a, b, c, texel)
                if alpha < 0.02:
                    continue
                visible, occ, brightness = strand_point(part, mesh, material, light, position, normal, camera, texel,
                                                        i, j, k, a, b, c, n, v, tangent)
                share = alpha * through[py, px]
                through[py, px] *= 1 - alpha
                strand_colour(strands[py, px], share, part, n, v, tangent, brightness, occ, visible, material,
                              light.lights, spec)
    for y in range(height):
        for x in range(width):
            for q in range(3):
                image[y, x, q] = image[y, x, q] * through[y, x] + strands[y, x, q]
