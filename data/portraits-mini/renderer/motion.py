"""Seeded motion of head, eyes, brows and emotion, frame by frame at 25 fps."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styles import Style
from visemes import FPS


def _both(unit: str, amount: float) -> dict[str, float]:
    """The same amount on the left and right version of a unit ("{}" marks the side)."""
    return {unit.format("left"): amount, unit.format("right"): amount}


EMOTIONS: dict[str, dict[str, float]] = {      # MEAD's eight
    "neutral": {},
    "happy": {"mouth-corner-puller": .55, "mouth-upward-retraction": .06, **_both("eye-{}-slit", .22)},
    "sad": {"mouth-depression": .30, **_both("eyebrows-{}-inner-up", .75), **_both("eye-{}-slit", .18)},
    "angry": {"mouth-compression": .12, "nose-compression": .30, **_both("eyebrows-{}-down", .85),
              **_both("eye-{}-slit", .25)},
    "surprised": {**_both("eyebrows-{}-up", .80), **_both("eye-{}-opened-up", .55)},
    "fear": {"mouth-retraction": .30, **_both("eyebrows-{}-inner-up", .80), **_both("eyebrows-{}-up", .30),
             **_both("eye-{}-opened-up", .50)},
    "disgusted": {"nose-compression": .60, "mouth-upward-retraction": .35, **_both("eyebrows-{}-down", .40),
                  **_both("eye-{}-slit", .30)},
    "contempt": {"mouth-elevation": .18, "mouth-compression": .15, "eyebrows-left-extern-up": .55,
                 **_both("eye-{}-slit", .30)}}


@dataclass(frozen=True)
class Motion:
    """Curves over T frames: pose_deg (T,3) yaw, pitch, roll; shift (T,3) dm; body_deg (T,3); blink (T,) 0..1;
    gaze_deg (T,2); brow (T,) 0..1; emotion name and its strength (T,) 0..1; visemes (T,16); units by name (T,)."""
    pose_deg: np.ndarray
    shift: np.ndarray
    body_deg: np.ndarray
    blink: np.ndarray
    gaze_deg: np.ndarray
    brow: np.ndarray
    emotion: str
    strength: np.ndarray
    visemes: np.ndarray
    units: dict[str, np.ndarray]


def drift(r: np.random.Generator, frames: int, sigma: float, amount: float) -> np.ndarray:
    """Gaussian-filtered noise (frames,) with time constant sigma (frames) and standard deviation amount."""
    pad = int(4 * sigma) + 1
    noise = gaussian_filter1d(r.normal(size=frames + 2 * pad), sigma)[pad:pad + frames]
    return noise * np.sqrt(2 * sigma * np.sqrt(np.pi)) * amount


def _head(r, frames: int, energy: np.ndarray, style: Style, turned: float):
    """Pose in degrees, shift in dm, torso in degrees; nods follow the speech energy."""
    fast = gaussian_filter1d(np.clip(energy, 0, 1.6), 2.2)
    slow = gaussian_filter1d(np.clip(energy, 0, 1.6), 7)
    k = style.movement
    yaw = turned + k * (drift(r, frames, 11, 3.2) + drift(r, frames, 4, .7) + drift(r, frames, 26, 4.0))
    pitch = float(r.normal(0, 2.0 * k)) + k * (drift(r, frames, 10, 1.6) + drift(r, frames, 26, 1.8))
    pitch += -4.2 * k * (fast - slow) - 1.2 * fast
    roll = float(r.normal(0, 1.5 * k)) + drift(r, frames, 14, 1.4 * k) + .16 * (yaw - turned)
    shift = np.stack([drift(r, frames, 14, .035 * k) + .012 * (yaw - turned),
                      drift(r, frames, 14, .02 * k) - .02 * fast, drift(r, frames, 18, .05 * k)], 1)
    body = np.stack([drift(r, frames, 22, 1.6 * k) + .12 * yaw, drift(r, frames, 22, .6 * k),
                     drift(r, frames, 22, .7 * k)], 1)
    return np.stack([yaw, pitch, roll], 1), shift, body


def blinks(r: np.random.Generator, frames: int) -> np.ndarray:
    """Lid closure (frames,) 0..1: blinks of 120-400 ms about every two seconds, fast down and slower up."""
    closure = np.zeros(frames)
    times = np.arange(frames) / FPS
    start = float(r.uniform(.25, 1.6))
    while start < frames / FPS:
        length = float(np.clip(r.gamma(6, .038), .12, .40))
        shut, end = start + .38 * length, start + length
        phase = np.where(times < shut, (times - start) / (.38 * length), (end - times) / (.62 * length))
        bump = np.where((times >= start) & (times <= end), .5 - .5 * np.cos(np.pi * np.clip(phase, 0, 1)), 0)
        frame = int(round(shut * FPS))
        if frame < frames:
            bump[frame] = 1.0
        closure = np.maximum(closure, bump)
        start = end + .35 + float(r.exponential(1.9))
    return closure


def _gaze(r, frames: int, pose: np.ndarray) -> np.ndarray:
    """Eye-in-head yaw and pitch (frames,2) degrees: fixations near the camera that partly undo the head turn."""
    target = np.zeros((frames, 2))
    i = 0
    while i < frames:
        length = int(np.clip(r.exponential(.9) * FPS, 6, 60))
        near = r.random() < .72
        target[i:i + length] = r.normal(0, (2.0, 1.2)) if near else r.normal((0, -1), (8, 3.5))
        i += length
    kernel = np.array([.25, .5, .25])
    yaw, pitch = (np.convolve(np.pad(target[:, c], 1, "edge"), kernel, "valid") for c in (0, 1))
    yaw = np.clip(yaw - .80 * pose[:, 0], -26, 26) + drift(r, frames, 1.5, .15)
    return np.stack([yaw, np.clip(pitch - .75 * pose[:, 1], -14, 14)], 1)


def _brows(r, frames: int, words: list[float]) -> np.ndarray:
    """Raises (frames,) 0..1 at some word starts (s)."""
    times, brow = np.arange(frames) / FPS, np.zeros(frames)
    for word in words:
        if r.random() < .2:
            height, length = float(r.uniform(.2, .6)), float(r.uniform(.22, .5))
            brow += height * np.exp(-((times - word - .08) / (length / 2)) ** 2)
    return np.clip(brow, 0, 1)


def combine_units(mouth: dict[str, np.ndarray], blink, gaze, brow, emotion: str, strength) -> dict[str, np.ndarray]:
    """Unit curves (frames,) 0..1.1 from speech, lids (coupled to blink and downward gaze), brows and emotion."""
    frames = len(blink)
    units = {name: np.asarray(curve, float) * np.ones(frames) for name, curve in mouth.items()}

    def add(name: str, curve) -> None:
        units[name] = units.get(name, np.zeros(frames)) + curve

    opened = np.clip(units.get("mouth-open", np.zeros(frames)) / .5, 0, 1)
    for name, amount in EMOTIONS[emotion].items():
        add(name, amount * strength * ((1 - .5 * opened) if name.startswith("mouth") else 1.0))
    add("mouth-corner-puller", .10 * (1 - .5 * opened) * (emotion in ("neutral", "happy")))
    for side in ("left", "right"):
        add(f"eyebrows-{side}-up", .15 + .75 * brow)
        add(f"eyebrows-{side}-inner-up", .15 if emotion in ("neutral", "happy") else 0.0)
        units[f"eye-{side}-slit"] = units.get(f"eye-{side}-slit", np.zeros(frames)) * (1 - blink)
        down = np.clip(-gaze[:, 1] / 40, 0, .35)
        add(f"eye-{side}-closure", np.clip(blink + down * (1 - blink), 0, 1))
        wide = units.get(f"eye-{side}-opened-up", np.zeros(frames)) + np.clip(gaze[:, 1] / 40, 0, .4)
        units[f"eye-{side}-opened-up"] = wide * (1 - blink)
    return {name: np.clip(curve, 0, 1.1) for name, curve in units.items() if np.max(np.abs(curve)) > 1e-3}


def make_motion(seed: tuple[int, ...], frames: int, energy: np.ndarray, words: list[float], visemes: np.ndarray,
                mouth: dict[str, np.ndarray], emotion: str, style: Style) -> Motion:
    """All motion of a clip from its seed, its speech (energy (T,), word starts s, visemes (T,16)) and its style."""
    r = np.random.default_rng(list(seed))
    turned = float(np.clip(r.normal(0, style.turn), -2.2 * style.turn, 2.2 * style.turn))
    pose, shift, body = _head(r, frames, energy, style, turned)
    pose = np.clip(pose, (-38, -15, -12), (38, 15, 12))
    blink = blinks(r, frames)
    gaze = _gaze(r, frames, pose)
    brow = _brows(r, frames, words)
    strength = np.zeros(frames)
    if emotion != "neutral":
        strength = np.clip(float(r.uniform(*style.emotion_strength)) + drift(r, frames, 25, .12), 0, 1)
    units = combine_units(mouth, blink, gaze, brow, emotion, strength)
    return Motion(pose, shift, body, blink, gaze, brow, emotion, strength, visemes, units)
