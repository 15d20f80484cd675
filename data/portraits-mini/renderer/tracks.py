"""Light and camera over the frames of a clip."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motion import drift
from styles import Style

LIGHT_NAMES = ("az", "el", "gain", "warm", "fill", "rim", "moving")
CAMERA_NAMES = ("scale", "dist", "dx", "dy")


@dataclass(frozen=True)
class Tracks:
    """light (T,7) columns LIGHT_NAMES (radians, factors); camera (T,4) columns CAMERA_NAMES (factor, dm, dm, dm);
    shake (T,2) dm, the part of dx, dy that moves the backdrop too."""
    light: np.ndarray
    camera: np.ndarray
    shake: np.ndarray


def _light(r: np.random.Generator, frames: int, style: Style) -> np.ndarray:
    azimuth = float(r.choice([-1, 1]) * r.uniform(*style.azimuth))
    elevation = float(r.uniform(*style.elevation))
    az, gain = np.full(frames, azimuth), np.full(frames, float(r.uniform(*style.key)))
    warm = np.full(frames, float(r.normal(0, style.warmth)))
    fill, rim = float(r.uniform(*style.fill)), float(r.uniform(*style.rim))
    moving = bool(r.random() < style.moving_light)
    if moving:
        s = np.linspace(0, 1, frames)
        kind, phase = int(r.integers(3)), float(r.uniform(.3, .7))
        if kind == 0:      # the key swings to the other side
            az = azimuth * (1 - 2 * s * s * (3 - 2 * s))
        elif kind == 1:    # something passes before the key
            gain = gain * (1 - .55 * np.exp(-((s - phase) / .16) ** 2))
        else:              # the key sways and changes colour
            az = azimuth + .5 * np.sin(2 * np.pi * s)
            warm = warm + 1.2 * np.sin(2 * np.pi * s)
    one = np.ones(frames)
    return np.stack([az, elevation * one, gain, warm, fill * one, rim * one, moving * one], 1)


def make_tracks(seed: tuple[int, ...], frames: int, style: Style) -> Tracks:
    """Light and camera of a clip from its seed and style."""
    r = np.random.default_rng([*seed, 5])
    light = _light(r, frames, style)
    scale = float(r.uniform(*style.scale)) * (1 + drift(r, frames, 30, .003 + .3 * style.shake))
    distance = np.full(frames, float(r.uniform(*style.distance)))
    shake = np.stack([drift(r, frames, 7, style.shake) + drift(r, frames, 2.5, .12 * style.shake) for _ in "xy"], 1)
    place = np.array([r.normal(0, .05), r.normal(-.02, .04)]) * (2 if style.name == "street" else 1)
    return Tracks(light, np.concatenate([np.stack([scale, distance], 1), place + shake], 1), shake)


def light_rows(row: np.ndarray) -> np.ndarray:
    """The (8,3) light block of shading.py for one row of Tracks.light."""
    az, el, gain, warm, fill, rim, _ = (float(x) for x in row)

    def towards(azimuth: float, elevation: float) -> list[float]:
        return [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]

    key = np.array([1.46, 1.40, 1.32]) * np.array([1 + .10 * warm, 1, 1 - .13 * warm]) * gain
    opposite = -az * .9 + (.5 if abs(az) < .2 else 0)
    back = np.pi - az * .35 - .5 * (1 if az >= 0 else -1)
    return np.array([towards(az, el), np.maximum(key, .05), towards(opposite, .15),
                     fill * np.array([.93, .98, 1.04]), towards(back, .45), rim * np.array([.9, .92, .97]),
                     [.40, .41, .43], [.25, .235, .225]], np.float64)
