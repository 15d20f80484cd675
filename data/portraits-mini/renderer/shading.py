"""Shading of opaque surfaces (skin, eyes, mouth, clothes, spectacles), one numba loop over the visible pixels.

Everything is linear light. Lights are rows of an (8,3) array: key direction, key colour, fill direction, fill colour,
rim direction, rim colour, ambient from above, ambient from below.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sampling import bilinear, light_visibility, noise, normalise

BODY, EYES, TEETH, TONGUE, CLOTHES, HAIR, BROWS, LASHES, GLASSES = range(9)
UNDER_HAIR, BEARD, LIPS, MOUTH_INSIDE, OILY, BLUSH = range(6)


class Mesh(NamedTuple):
    """What does not move: triangles (t,3), part (t,), uv (n,2), rest (n,3) dm, occlusion (n,) 0..1, masks (n,6)."""
    triangles: np.ndarray
    part: np.ndarray
    uv: np.ndarray
    rest: np.ndarray
    occlusion: np.ndarray
    masks: np.ndarray


class Textures(NamedTuple):
    """Linear-light textures (k,k,C); hair carries alpha as its fourth channel, brow and lash are alpha alone."""
    skin: np.ndarray
    iris: np.ndarray
    teeth: np.ndarray
    tongue: np.ndarray
    cloth: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    lash: np.ndarray


class Material(NamedTuple):
    """Colours (linear RGB) and constants of one person; cloth = colour (or -1: as textured) and texture mean."""
    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    cloth: np.ndarray
    glasses: np.ndarray
    wrap: float
    beard: float
    freckles: float
    teeth_y: float
    teeth_z: float
    eye_radius: float
    hair_mean: float
    detail: float


class Light(NamedTuple):
    """lights (8,3), and the key light's depth map: matrix (3,4), depth (S,S)."""
    lights: np.ndarray
    matrix: np.ndarray
    depth: np.ndarray


@njit(cache=True)
def _mask(masks, i, j, k, a, b, c, kind):
    return a * masks[i, kind] + b * masks[j, kind] + c * masks[k, kind]


@njit(cache=True)
def skin_colour(albedo, r, m, material):
    """Pigment of the skin at rest position r with masks m (6,): tint, lips, blush, freckles, stubble, scalp."""
    lips, detail = m[LIPS], material.detail
    for q in range(3):
        tint = material.skin[q]
        albedo[q] *= tint * (1 - lips) + lips * tint ** 0.7 * (1.0 if q else 1.06) * material.lips[q]
    blotch = noise(r[0] * 4 + 3, r[1] * 4, r[2] * 4)
    pores = 1 + 0.04 * detail * noise(r[0] * 14, r[1] * 14, r[2] * 14)
    pores += 0.05 * detail * (1 - lips) * noise(r[0] * 55 + 7, r[1] * 55, r[2] * 55)
    albedo[0] *= pores * (1 + 0.04 * blotch) * (1 + 0.05 * m[BLUSH])
    albedo[1] *= pores * (1 - 0.02 * blotch) * (1 - 0.12 * m[BLUSH]) * (1 - 0.15 * lips)
    albedo[2] *= pores * (1 - 0.02 * blotch) * (1 - 0.11 * m[BLUSH]) * (1 - 0.10 * lips)
    if material.freckles > 0.02 and m[MOUTH_INSIDE] < 0.5:
        spot = noise(r[0] * 26 + 31, r[1] * 26, r[2] * 26)
        g = min(max((spot - 0.17) * 9, 0.0), 1.0) * material.freckles * (1 - lips) * 0.5
        albedo[0] *= 1 - 0.25 * g
        albedo[1] *= 1 - 0.42 * g
        albedo[2] *= 1 - 0.5 * g
    if m[BEARD] > 0.01 and material.beard > 0.01:
        hairs = 0.6 * noise(r[0] * 85 + 3, r[1] * 38, r[2] * 60) + 0.5 * noise(r[0] * 150, r[1] * 60 + 9, r[2] * 120)
        hairs *= detail
        g = min(max(m[BEARD] * (0.55 + 0.5 * material.beard) * (1 + 0.75 * hairs), 0.0), 1.0)
        g *= min(1.0, 0.22 + 0.60 * material.beard)
        for q in range(3):
            albedo[q] = albedo[q] * (1 - g) + material.hair[q] * (0.8 + 0.5 * hairs) * g
    g = 0.85 * m[UNDER_HAIR]
    for q in range(3):
        albedo[q] = albedo[q] * (1 - g) + material.hair[q] * 0.7 * g
    if m[MOUTH_INSIDE] > 0.5:
        albedo[0] *= 0.55
        albedo[1] *= 0.36
        albedo[2] *= 0.36


@njit(cache=True)
def skin_bump(n, r, m, detail):
    """Perturb and renormalise the normal n: pores, and fine vertical lines on the lips."""
    s = 0.06 * detail * (1 - m[MOUTH_INSIDE]) * (1 - 0.5 * m[LIPS])
    n[0] += s * noise(r[0] * 48, r[1] * 48, r[2] * 48)
    n[1] += s * noise(r[0] * 48 + 19, r[1] * 48, r[2] * 48)
    if m[LIPS] > 0.05:
        n[0] += 0.25 * detail * m[LIPS] * noise(r[0] * 70, r[1] * 9, 0.0)
    normalise(n)


@njit(cache=True)
def teeth_colour(albedo, r, material):
    """Gums stay as textured; enamel is whitened and molars fall into the dark."""
    if albedo[0] - max(albedo[1], albedo[2]) >= 0.06:
        return
    low = 0.72 if r[1] < material.teeth_y else 1.0
    low *= min(max((r[2] - material.teeth_z + 0.34) / 0.26, 0.14), 1.0)
    albedo[0] = low * min(0.34 + albedo[0] * 0.62, 0.72)
    albedo[1] = low * min(0.32 + albedo[1] * 0.58, 0.68)
    albedo[2] = low * min(0.27 + albedo[2] * 0.52, 0.60)


@njit(cache=True)
def cloth_colour(albedo, r, material):
    """Recolour by the wanted top colour, keeping the weave and folds of the texture."""
    if material.cloth[0] >= 0:
        g = (0.3 * albedo[0] + 0.5 * albedo[1] + 0.2 * albedo[2]) / max(material.cloth[3], 0.02)
        g = min(max(g, 0.35), 1.6)
        for q in range(3):
            albedo[q] = material.cloth[q] * 0.5 * g
    weave = 1 + material.detail * (0.10 * noise(r[0] * 60, r[1] * 60, r[2] * 60)) + 0.08 * noise(
        r[0] * 20, r[1] * 20, r[2] * 20)
    for q in range(3):
        albedo[q] *= weave


@njit(cache=True)
def specular(spec, n, v, lights, strength, broad, sharp, gloss, visible):
    """Two-lobe Blinn-Phong with Schlick's Fresnel term for key, fill and rim; adds to spec (3,)."""
    for q in range(3):
        lx = lights[2 * q]
        nl = n[0] * lx[0] + n[1] * lx[1] + n[2] * lx[2]
        if nl <= 0:
            continue
        h0 = lx[0] + v[0]
        h1 = lx[1] + v[1]
        h2 = lx[2] + v[2]
        length = np.sqrt(h0 * h0 + h1 * h1 + h2 * h2) + 1e-9
        nh = max((n[0] * h0 + n[1] * h1 + n[2] * h2) / length, 0.0)
        vh = max((v[0] * h0 + v[1] * h1 + v[2] * h2) / length, 0.0)
        miss = 1 - vh
        fresnel = 0.035 + 0.965 * miss * miss * miss * miss * miss
        lobes = nh ** broad * (1 - gloss) * (broad + 2) / 8 + nh ** sharp * gloss * (sharp + 2) / 8
        s = strength * fresnel * nl * lobes
        if q == 0:
            s *= visible
        for z in range(3):
            spec[z] += s * lights[2 * q + 1, z]


@njit(cache=True)
def cornea(pixel, n, v, gaze, light, visible, occlusion):
    """Wet surface of the eye: bulging cornea with a key highlight, a soft fill reflection and a little sky."""
    lights = light.lights
    nx, ny, nz = n[0], n[1], n[2]
    along = nx * gaze[0] + ny * gaze[1] + nz * gaze[2]
    if along > 0.80:
        f = 0.30 * min((along - 0.80) / 0.12, 1.0)
        nx += f * (nx - gaze[0])
        ny += f * (ny - gaze[1])
        nz += f * (nz - gaze[2])
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        nx /= length
        ny /= length
        nz /= length
    d = 2 * (nx * v[0] + ny * v[1] + nz * v[2])
    rx = d * nx - v[0]
    ry = d * ny - v[1]
    rz = d * nz - v[2]
    key = max(rx * lights[0, 0] + ry * lights[0, 1] + rz * lights[0, 2], 0.0)
    fill = max(rx * lights[2, 0] + ry * lights[2, 1] + rz * lights[2, 2], 0.0)
    s1 = min(max((key - 0.955) / 0.02, 0.0), 1.0)
    s2 = min(max((fill - 0.95) / 0.03, 0.0), 1.0)
    sky = 0.03 + 0.05 * max(ry, 0.0)
    for q in range(3):
        pixel[q] += lights[1, q] * 0.5 * s1 * max(visible, 0.35) + lights[3, q] * 0.25 * s2
        pixel[q] += sky * lights[6, q] * 0.5 * occlusion


@njit(cache=True)
def diffuse(pixel, albedo, spec, n, wrap, visible, occlusion, is_skin, lights):
    """Wrapped Lambert of key, fill, rim and hemisphere ambient; skin lets red light reach further into the shade."""
    kd = n[0] * lights[0, 0] + n[1] * lights[0, 1] + n[2] * lights[0, 2]
    fd = n[0] * lights[2, 0] + n[1] * lights[2, 1] + n[2] * lights[2, 2]
    rd = n[0] * lights[4, 0] + n[1] * lights[4, 1] + n[2] * lights[4, 2]
    up = 0.5 + 0.5 * n[1]
    for q in range(3):
        w = wrap[q]
        key = max((kd + w) / (1 + w), 0.0) ** (1 + w)
        fill = max((fd + 0.3 + w) / (1.3 + w), 0.0)
        rim = max((rd + w * 0.5) / (1 + w * 0.5), 0.0)
        vs = visible
        ov = occlusion
        if is_skin and q == 0:
            vs = visible ** 0.70
            ov = occlusion ** 0.75
        light = lights[1, q] * key * vs * (0.35 + 0.65 * ov) + lights[5, q] * rim * (0.3 + 0.7 * occlusion)
        light += (lights[3, q] * fill + lights[6, q] * up + lights[7, q] * (1 - up)) * ov
        pixel[q] = albedo[q] * light + spec[q] * (0.25 + 0.75 * occlusion)


@njit(cache=True)
def skin_surface(albedo, n, r, m, wrap, material):
    """Colour and bump the skin; returns specular strength, broad and sharp exponent, share of the sharp lobe."""
    skin_colour(albedo, r, m, material)
    skin_bump(n, r, m, material.detail)
    wrap[0], wrap[1], wrap[2] = material.wrap, material.wrap * 0.55, material.wrap * 0.4
    strength = (0.27 + 0.18 * m[OILY] + 0.5 * m[LIPS]) * (1 - 0.8 * m[UNDER_HAIR])
    return strength * (1 - 0.6 * m[BEARD] * material.beard), 10, 38, 0.30 + 0.3 * m[LIPS]


@njit(cache=True)
def eye_surface(albedo, n, p, centre, wrap, material):
    """Spherical normal and colour of the eyeball; returns the factor by which the lids shade it."""
    wrap[0], wrap[1], wrap[2] = 0.45, 0.40, 0.38
    for q in range(3):
        albedo[q] *= 0.72
        n[q] = p[q] - centre[q]
    h = (p[1] - centre[1]) / material.eye_radius
    normalise(n)
    return min(1.0, max(0.30, 0.95 - 0.75 * max(h, 0.0) - 0.35 * max(-h - 0.25, 0.0)))


@njit(cache=True)
def other_surface(part, albedo, u, w, r, wrap, textures, material):
    """Colour of teeth, tongue, spectacles or clothes; returns specular strength, broad and sharp exponent."""
    if part == TEETH:
        bilinear(textures.teeth, u, w, albedo)
        teeth_colour(albedo, r, material)
        wrap[:] = 0.4
        return 0.35, 30, 90
    if part == TONGUE:
        bilinear(textures.tongue, u, w, albedo)
        wrap[:] = 0.2
        return 0.4, 20, 60
    wrap[:] = 0.1
    if part == GLASSES:
        for q in range(3):
            albedo[q] = material.glasses[q]
        return 1.0, 40, 160
    bilinear(textures.cloth, u, w, albedo)
    cloth_colour(albedo, r, material)
    return 0.05, 20, 60


@njit(cache=True)
def shade(triangle_id, bary0, bary1, mesh, textures, material, light, position, normal, camera, eyes, gaze, image):
    """Colour every covered pixel of image (H,W,3). position, normal (n,3); camera, gaze (3,); eyes (2,3)."""
    albedo, n, p, v, r, m = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(6)
    wrap, spec = np.zeros(3), np.zeros(3)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            t = triangle_id[y, x]
            if t < 0:
                continue
            i, j, k = mesh.triangles[t, 0], mesh.triangles[t, 1], mesh.triangles[t, 2]
            a, b = bary0[y, x], bary1[y, x]
            c = 1 - a - b
            for q in range(3):
                n[q] = a * normal[i, q] + b * normal[j, q] + c * normal[k, q]
                p[q] = a * position[i, q] + b * position[j, q] + c * position[k, q]
                r[q] = a * mesh.rest[i, q] + b * mesh.rest[j, q] + c * mesh.rest[k, q]
                v[q] = camera[q] - p[q]
            u = a * mesh.uv[i, 0] + b * mesh.uv[j, 0] + c * mesh.uv[k, 0]
            w = a * mesh.uv[i, 1] + b * mesh.uv[j, 1] + c * mesh.uv[k, 1]
            occ = min(max(a * mesh.occlusion[i] + b * mesh.occlusion[j] + c * mesh.occlusion[k], 0.0), 1.0)
            normalise(n)
            normalise(v)
            visible = light_visibility(p[0], p[1], p[2], light.matrix, light.depth, 0.05)
            part, e, gloss = mesh.part[t], 0 if r[0] > 0 else 1, 0.35
            if part == BODY:
                bilinear(textures.skin, u, w, albedo)
                for q in range(6):
                    m[q] = _mask(mesh.masks, i, j, k, a, b, c, q)
                strength, broad, sharp, gloss = skin_surface(albedo, n, r, m, wrap, material)
            elif part == EYES:
                bilinear(textures.iris, u, w, albedo)
                occ *= eye_surface(albedo, n, p, eyes[e], wrap, material)
                strength, broad, sharp = 0.0, 20, 60
            else:
                strength, broad, sharp = other_surface(part, albedo, u, w, r, wrap, textures, material)
            if part == TEETH:
                visible = 0.25 + 0.75 * visible
            elif part == GLASSES:
                occ, visible = 1.0, 0.3 + 0.7 * visible
            spec[:] = 0.0
            if strength > 0:
                specular(spec, n, v, light.lights, strength, broad, sharp, gloss, visible)
            diffuse(image[y, x], albedo, spec, n, wrap, visible, occ, part == BODY, light.lights)
            if part == EYES:
                cornea(image[y, x], n, v, gaze, light, visible, occ)
