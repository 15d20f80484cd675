"""Procedural out-of-focus backdrops in linear light."""
from __future__ import annotations

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter, zoom

SIZE = 176          # pixels of a backdrop; it covers 1.25 times the frame, so that the camera may move
COVER = 1.25
KINDS = ("paper", "panels", "room", "bokeh", "foliage", "buildings", "wall")


def _colour(r: np.random.Generator, low: float, high: float, chroma: float) -> np.ndarray:
    return np.clip(r.uniform(low, high) * (1 + r.normal(0, chroma, 3)), .02, .95)


def _paper(r, x, y):
    """Seamless studio paper with a soft spot of light."""
    base = _colour(r, .16, .62, .10)
    cx, cy = r.uniform(.3, .7, 2)
    spot = .62 + .55 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / .2)
    return base * spot[..., None], 5.0


def _panels(r, x, y):
    """Broadcast set: vertical panels, a lit screen, a desk line."""
    dark, accent = _colour(r, .05, .22, .25), _colour(r, .15, .55, .55)
    period, phase = r.uniform(.12, .3), r.uniform(0, 1)
    stripes = .5 + .5 * np.sign(np.sin(2 * np.pi * (x / period + phase)))
    image = dark * (.75 + .5 * stripes)[..., None] * (1.15 - .5 * y)[..., None]
    x0, y0, w, h = r.uniform(-.05, .65), r.uniform(.05, .3), r.uniform(.25, .5), r.uniform(.2, .4)
    screen = (x > x0) & (x < x0 + w) & (y > y0) & (y < y0 + h)
    image[screen] = accent * (.6 + .7 * (y[screen] - y0) / h)[:, None]
    edge = np.abs(y - y0 - h) < .012
    image[edge & (x > x0) & (x < x0 + w)] *= 1.8
    return image, float(r.uniform(1.6, 4))


def _room(r, x, y):
    """Wall with shelves, pictures and perhaps a window."""
    base = _colour(r, .20, .62, .10)
    image = np.broadcast_to(base, (*x.shape, 3)).copy() * (1.1 - .35 * y)[..., None]
    for _ in range(int(r.integers(4, 9))):
        x0, y0 = r.uniform(-.1, .9, 2)
        w, h = r.uniform(.08, .35), r.uniform(.1, .5)
        image[(x > x0) & (x < x0 + w) & (y > y0) & (y < y0 + h)] = np.clip(
            base * r.uniform(.25, 1.5) * (1 + r.normal(0, .25, 3)), .02, .9)
    if r.random() < .6:
        x0 = float(r.choice([-.05, .72]))
        pane = (x > x0) & (x < x0 + .3) & (y > .05) & (y < .62)
        image[pane] = np.array([.95, 1.0, 1.08]) * r.uniform(.6, .95)
        image[(abs(x - x0 - .15) < .012) & pane] *= .3
    image[y > .86] *= .6
    return image, float(r.uniform(2.5, 5))


def _bokeh(r, x, y):
    """Lights of an evening street."""
    image = np.broadcast_to(_colour(r, .05, .20, .25), (*x.shape, 3)).copy() * (1.2 - .6 * y)[..., None]
    for _ in range(int(r.integers(20, 45))):
        cx, cy = r.uniform(0, 1, 2)
        radius = r.uniform(.02, .065)
        disc = np.clip((radius - np.hypot(x - cx, y - cy)) / .012, 0, 1) * r.uniform(.06, .4)
        image += disc[..., None] * (np.array([1, .8, .55]) * (1 + r.normal(0, .28, 3))).clip(.1, 1.5)
    return image, 1.2


def _foliage(r, x, y):
    """Trees or a hedge, a little sky."""
    n = x.shape[0]
    tints = ([.25, .40, .16], [.34, .40, .18], [.42, .38, .26], [.20, .32, .18])
    layers = sum(zoom(r.random((s, s)), n / s, order=1)[:n, :n] * w for s, w in ((4, .5), (16, .3), (44, .35)))
    image = np.array(tints[int(r.integers(4))]) * (layers[..., None] ** 2) * 1.7
    image += np.array([.60, .68, .80]) * np.clip(r.uniform(.2, .5) - y, 0, 1)[..., None] * 1.3
    return image, 3.0


def _buildings(r, x, y):
    """Sky over a row of facades and a street."""
    sky = np.array([.50, .62, .82]) * r.uniform(.6, 1.2)
    image = np.broadcast_to(sky, (*x.shape, 3)).copy() * (.8 + .4 * y)[..., None]
    left = -.1
    while left < 1:
        width, top = r.uniform(.15, .4), r.uniform(.05, .45)
        facade = (x >= left) & (x < left + width) & (y > top)
        image[facade] = _colour(r, .15, .5, .12)
        step = r.uniform(.05, .09)
        windows = facade & (np.mod(x - left, step) > .45 * step) & (np.mod(y - top, step * 1.4) > .6 * step)
        image[windows] *= r.uniform(.35, .7)
        left += width
    image[y > .8] = _colour(r, .12, .3, .05)
    return image, float(r.uniform(2.2, 4))


def _wall(r, x, y):
    """Brick or plaster close behind the person, lit from one side."""
    base = _colour(r, .2, .5, .15)
    rows = np.floor(y / .055)
    brick = (np.mod(y, .055) > .008) & (np.mod(x + .06 * np.mod(rows, 2), .12) > .008)
    shade = zoom(r.random((24, 24)), x.shape[0] / 24, order=1)[:x.shape[0], :x.shape[0]]
    relief = np.where(brick, .85 + .3 * shade, .6) if r.random() < .6 else .85 + .3 * shade
    image = base * relief[..., None] * (1.1 - .5 * (x if r.random() < .5 else 1 - x))[..., None]
    return image, float(r.uniform(1.2, 2.5))


_PAINTERS = dict(zip(KINDS, (_paper, _panels, _room, _bokeh, _foliage, _buildings, _wall)))


def make_background(kind: str, seed: int) -> np.ndarray:
    """Backdrop (SIZE,SIZE,3) float64 of one of KINDS."""
    r = np.random.default_rng([seed, 77])
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    image, blur = _PAINTERS[kind](r, x, y)
    image = np.stack([gaussian_filter(image[..., c], blur, mode="nearest") for c in range(3)], -1)
    return np.clip(image, .006, 1.2)


@njit(cache=True)
def place_background(background, dx, dy, out):
    """Fill out (n,n,3) with the backdrop shifted by dx, dy (fractions of the frame), bilinear."""
    n, m = out.shape[0], background.shape[0]
    scale = m / (1.25 * n)
    x_start = m * (0.1 + dx / 1.25)
    y_start = m * (0.1 + dy / 1.25)
    for y in range(n):
        fy = min(max(y_start + (y + 0.5) * scale - 0.5, 0.0), m - 1.001)
        y0 = int(fy)
        fy -= y0
        for x in range(n):
            fx = min(max(x_start + (x + 0.5) * scale - 0.5, 0.0), m - 1.001)
            x0 = int(fx)
            fx -= x0
            for c in range(3):
                top = background[y0, x0, c] * (1 - fx) + background[y0, x0 + 1, c] * fx
                low = background[y0 + 1, x0, c] * (1 - fx) + background[y0 + 1, x0 + 1, c] * fx
                out[y, x, c] = top * (1 - fy) + low * fy
