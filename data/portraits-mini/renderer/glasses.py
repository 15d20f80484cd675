"""Tube spectacles fitted to a face; they are procedural, not part of the assets."""
from __future__ import annotations

import numpy as np

_SIDES = 6


def _tube(path: np.ndarray, radius: float, closed: bool, first: int) -> tuple[np.ndarray, list[list[int]]]:
    """Tube around a polyline (n,3): vertices (6n,3) and triangles numbered from first."""
    n = len(path)
    step = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    step /= np.linalg.norm(step, axis=1)[:, None] + 1e-9
    helper = np.array([0, 0, 1.0]) if np.abs(step[:, 2]).mean() < .7 else np.array([0, 1.0, 0])
    a = np.cross(step, helper)
    a /= np.linalg.norm(a, axis=1)[:, None]
    b = np.cross(a, step)
    angle = np.arange(_SIDES) / _SIDES * 2 * np.pi
    ring = np.cos(angle)[None, :, None] * a[:, None] + np.sin(angle)[None, :, None] * b[:, None]
    triangles = []
    for i in range(n if closed else n - 1):
        for j in range(_SIDES):
            p, q = first + i * _SIDES + j, first + i * _SIDES + (j + 1) % _SIDES
            r, s = first + (i + 1) % n * _SIDES + j, first + (i + 1) % n * _SIDES + (j + 1) % _SIDES
            triangles.extend([[p, r, q], [q, r, s]])
    return (path[:, None] + radius * ring).reshape(-1, 3), triangles


def _front(skin: np.ndarray, x: float, y: float) -> float:
    """Foremost z of the skin around (x, y)."""
    near = (np.abs(skin[:, 0] - x) < .08) & (np.abs(skin[:, 1] - y) < .08)
    return float(skin[near][:, 2].max())


def glasses_mesh(eyes: np.ndarray, skin: np.ndarray, style: int) -> tuple[np.ndarray, np.ndarray]:
    """Two rims, bridge and temples: vertices (n,3) dm and triangles (t,3). Style 1 is round, 2 rectangular."""
    vertices: list[np.ndarray] = []
    triangles: list[list[int]] = []

    def add(path, radius: float, closed: bool) -> None:
        v, t = _tube(np.asarray(path, float), radius, closed, sum(len(x) for x in vertices))
        vertices.append(v)
        triangles.extend(t)

    eye_x, eye_y = float(np.abs(eyes[:, 0]).mean()), float(eyes[:, 1].mean())
    front = max(_front(skin, eye_x, eye_y + .18), _front(skin, eye_x, eye_y - .2), _front(skin, 0., eye_y)) + .07
    power = 2.0 if style == 1 else 3.6
    rx, ry, radius = (.215, .20, .011) if style == 1 else (.245, .165, .019)
    angle = np.arange(40) / 40 * 2 * np.pi
    c, s = np.cos(angle), np.sin(angle)
    side = skin[(np.abs(skin[:, 1] - eye_y) < .14) & (skin[:, 2] > .74) & (skin[:, 2] < .95)]
    half_width = float(np.abs(side[:, 0]).max())
    for sign in (1, -1):
        centre = sign * (eye_x + .01)
        x = centre + rx * np.sign(c) * np.abs(c) ** (2 / power)
        y = eye_y - .03 + ry * np.sign(s) * np.abs(s) ** (2 / power)
        add(np.stack([x, y, front - .35 * np.maximum(np.abs(x) - eye_x, 0)], 1), radius, True)
        hinge = np.array([centre + sign * rx, eye_y + .03, front - .35 * rx])
        bend = np.array([sign * half_width * .985, eye_y + .05, front - .5])
        end = np.array([sign * half_width * .98, eye_y + .06, .2])
        temple = [hinge + (bend - hinge) * t for t in (0, .33, .66, 1)] + [bend + (end - bend) * t for t in (.5, 1)]
        add(temple, radius, False)
    t = np.linspace(-1, 1, 9)
    add(np.stack([t * (eye_x + .01 - rx), eye_y + .01 + .035 * (1 - t * t), np.full(9, front + .01)], 1), radius, False)
    return np.concatenate(vertices), np.array(triangles, np.int32)
