"""Frames of prepared clips with their annotations, and the augmentation that keeps both in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from semo.clips import Clip, ClipSet
from semo.features.nets.corpus import CURVES, MOUTH_UNITS, SIZE

# iBUG-68: where each point's mirror image is found
MIRROR = np.array([*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46,
                   39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66,
                   65])


@dataclass(frozen=True)
class AnnotatedClip:
    """Frames uint8 (T, S, S, 3), curves float32 (T, 29) as `FrameNet.annotations`, landmarks (T, 68, 2) as shares."""

    name: str
    frames: np.ndarray
    curves: np.ndarray
    landmarks: np.ndarray
    audio: np.ndarray


def unit_curves(truth: dict[str, np.ndarray], names: Sequence[str] = MOUTH_UNITS) -> np.ndarray:
    """Columns of `units` by name, float32 (T, n); a unit the clip does not use is 0."""
    known = {str(name): i for i, name in enumerate(truth["unit_names"])}
    empty = np.zeros(len(truth["units"]), np.float32)
    return np.stack([truth["units"][:, known[n]].astype(np.float32) if n in known else empty for n in names], axis=1)


def annotations(truth: dict[str, np.ndarray]) -> np.ndarray:
    """The 29 curves of a clip's ground truth, float32 (T, 29)."""
    lids = np.stack([truth["blink"], truth["brow"]], axis=1)
    parts = [truth["pose_deg"], truth["gaze_deg"], lids, unit_curves(truth), truth["visemes"]]
    curves = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
    assert curves.shape[1] == CURVES
    return curves


def read_clip(clips: ClipSet, clip: Clip, frame_size: int | None = None) -> AnnotatedClip:
    """One prepared clip in memory, reduced to `frame_size` if given. Raises ValueError where it has no ground truth."""
    truth = clips.truth(clip)
    if truth is None:
        raise ValueError(f"clip {clip.clip} of {clips.folder} has no ground truth; train on portraits-mini")
    frames = clips.frames(clip)
    if frame_size and frame_size != frames.shape[1]:
        frames = np.stack([cv2.resize(f, (frame_size, frame_size), interpolation=cv2.INTER_AREA) for f in frames])
    landmarks = (truth["landmarks"].astype(np.float32) - (clip.x, clip.y)) / clip.size
    return AnnotatedClip(clip.clip, frames, annotations(truth), landmarks, clips.audio(clip))


def read_split(folders: Sequence[Path], split: str, frame_size: int | None = None) -> list[AnnotatedClip]:
    """All clips of a split (`train`, `seen`, `test`) of prepared data sets, in the order of their manifests."""
    found = []
    for folder in folders:
        clips = ClipSet(folder)
        found += [read_clip(clips, clip, frame_size) for clip in clips.select(split)]
    if not found:
        raise ValueError(f"no clip of split {split!r} in {', '.join(map(str, folders))}; prepare portraits-mini")
    return found


def moved(frame: np.ndarray, curves: np.ndarray, points: np.ndarray, rng: np.random.Generator,
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame turned, scaled, shifted and perhaps mirrored, at 64 px, with curves and points that still fit it."""
    side, curves, points = frame.shape[0], curves.copy(), points.copy()
    if rng.random() < 0.5:
        frame, points = frame[:, ::-1], points[MIRROR] * (-1, 1) + (1, 0)
        curves[[0, 2, 3]] *= -1  # yaw, roll, gaze yaw
    angle, scale = rng.uniform(-0.12, 0.12), float(np.exp(rng.uniform(-0.15, 0.15)))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) * scale
    shift = 0.5 + rng.uniform(-0.06, 0.06, 2) - turn @ (0.5, 0.5)
    points = points @ turn.T + shift
    yaw, pitch = curves[0], curves[1]
    curves[:3] = yaw * cos + pitch * sin, pitch * cos - yaw * sin, curves[2] - np.degrees(angle)
    to_small = SIZE / side
    offset = turn @ np.full(2, 0.5 * to_small) + shift * SIZE - 0.5  # pixel centres lie at whole numbers
    matrix = np.concatenate([turn * to_small, offset[:, None]], axis=1)
    frame = cv2.warpAffine(np.ascontiguousarray(frame), matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE)
    return frame, curves, points


def recoloured(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain and offset of every channel changed a little."""
    gain, offset = rng.uniform(0.8, 1.2) * rng.uniform(0.93, 1.07, 3), rng.uniform(-12, 12)
    return np.clip(frame * gain + offset, 0, 255).astype(np.uint8)


def blurred(frame: np.ndarray, strength: float) -> np.ndarray:
    """Gaussian blur, deviation up to 1/25 of the side."""
    return cv2.GaussianBlur(frame, (0, 0), 0.3 + strength * frame.shape[0] / 25)


def noisy(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, deviation up to 45 of 255."""
    noise = rng.standard_normal(frame.shape, np.float32) * (2 + 43 * strength)
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def compressed(frame: np.ndarray, strength: float) -> np.ndarray:
    """JPEG of quality 70 down to 4."""
    _, code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(70 - 66 * strength)])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]


def coarser(frame: np.ndarray, strength: float) -> np.ndarray:
    """Reduced to 0.8 down to 0.2 of the side and enlarged again."""
    height, width = frame.shape[:2]
    side = max(4, round(width * (0.8 - 0.6 * strength)))
    small = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def ghosted(frame: np.ndarray, other: np.ndarray, strength: float) -> np.ndarray:
    """Another frame laid over it, up to half transparent."""
    return cv2.addWeighted(frame, 1 - strength / 2, other, strength / 2, 0)


def distorted(frame: np.ndarray, other: Callable[[], np.ndarray],
              rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """At most one distortion of random strength (none for three frames of eight), and the strengths (5,) of all.

    `other` makes the frame that a ghost shows.
    """
    strengths = np.zeros(5, np.float32)
    kind, strength = int(rng.integers(-3, 5)), float(rng.uniform(0.05, 1))
    if kind < 0:
        return frame, strengths
    strengths[kind] = strength
    apply = (lambda: blurred(frame, strength), lambda: noisy(frame, strength, rng), lambda: compressed(frame, strength),
             lambda: coarser(frame, strength), lambda: ghosted(frame, other(), strength))
    return apply[kind](), strengths
