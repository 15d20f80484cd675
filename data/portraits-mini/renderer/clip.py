"""A clip: who, when and how (ClipSpec), its speech and motion, its frames and its ground truth."""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets import Assets
from background import make_background
from geometry import rotation
from head import Head
from identity import FIXED_COLOUR_TOPS, TOP_COLOURS, Identity, sample_identity
from landmarks import face_box, landmark_vertices, mouth_box, visible_landmarks
from motion import Motion, make_motion
from scene import Look, Pose, Scene
from sentences import SENTENCES
from speech import SAMPLE_RATE, Speech, energy, speak
from styles import STYLES
from tracks import LIGHT_NAMES, Tracks, light_rows, make_tracks
from visemes import FPS, VISEMES, mouth_units, viseme_curves

SEED = 11
SECOND_CHOICE = {(149, 0)}      # (number, take) whose first backdrop held what a face detector took for a face
LEAD = .3      # seconds of silence that may precede the first word


@dataclass(frozen=True)
class ClipSpec:
    """Clip `take` of one person: number of the identity, subset, frames at 25 fps, size in pixels."""
    number: int
    subset: str
    take: int
    frames: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.subset}-{identity_name(self.number)}-c{self.take}"

    @property
    def seed(self) -> tuple[int, int, int]:
        return SEED, self.number, self.take


@dataclass(frozen=True)
class Talk:
    """Speech of a clip in clip time: wave float32 (frames*640,), energy (T,), phonemes, words (s), text."""
    wave: np.ndarray
    energy: np.ndarray
    phonemes: list[tuple[float, str]]
    words: list[float]
    text: str


@dataclass
class Frame:
    """One rendered frame with its landmarks: image uint8 (S,S,3), points (68,2) px, points3d (68,3) dm, visible."""
    image: np.ndarray
    points: np.ndarray
    points3d: np.ndarray
    visible: np.ndarray


def identity_name(number: int) -> str:
    return f"p{number:04d}"


def make_talk(identity: Identity, spec: ClipSpec) -> Talk:
    """Cut the clip's window out of a spoken text; long clips get two sentences."""
    r = np.random.default_rng([*spec.seed, 1])
    first = int(r.integers(len(SENTENCES)))
    text, duration = SENTENCES[first], spec.frames / FPS
    if duration > 3:
        text += " " + SENTENCES[(first + 1 + int(r.integers(len(SENTENCES) - 1))) % len(SENTENCES)]
    speech = speak(text, **identity.voice)
    length = len(speech.wave) / SAMPLE_RATE
    start = round(float(r.uniform(-LEAD, max(length - duration, -LEAD + .01))) * FPS) / FPS
    return cut(speech, text, start, spec.frames)


def cut(speech: Speech, text: str, start: float, frames: int) -> Talk:
    """The window of speech that begins start seconds into it (negative: after silence)."""
    duration, count = frames / FPS, frames * SAMPLE_RATE // FPS
    wave, shift = np.zeros(count, np.float32), int(round(start * SAMPLE_RATE))
    source = speech.wave[max(shift, 0):max(shift, 0) + count - max(-shift, 0)]
    wave[max(-shift, 0):max(-shift, 0) + len(source)] = source
    fade = SAMPLE_RATE // 50
    if shift > 0:
        wave[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    wave[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    wave *= .7 / max(float(np.abs(wave).max()), 1e-3)
    phonemes = [(t - start, name) for t, name in speech.phonemes]
    words = [t - start for t in speech.words if 0 <= t - start < duration]
    return Talk(wave, energy(wave, frames, FPS), phonemes, words, text)


def make_clip_motion(spec: ClipSpec, talk: Talk) -> Motion:
    """Head, face and eyes of the clip."""
    style = STYLES[spec.subset]
    r = np.random.default_rng([*spec.seed, 2])
    if spec.subset == "studio":      # every emotion equally often
        emotion = style.emotions[(spec.number + 3 * spec.take + spec.number // 8) % len(style.emotions)]
    else:
        emotion = style.emotions[int(r.integers(len(style.emotions)))]
    visemes = viseme_curves(talk.phonemes, spec.frames / FPS)
    mouth = mouth_units(visemes, float(r.uniform(.9, 1.15)))
    return make_motion((*spec.seed, 3), spec.frames, talk.energy, talk.words, visemes, mouth, emotion, style)


def make_look(identity: Identity, spec: ClipSpec) -> Look:
    """Backdrop and top colour; both change from take to take."""
    choice = int((spec.number, spec.take) in SECOND_CHOICE)
    r = np.random.default_rng([*spec.seed, 4 + 100 * choice])
    kinds = STYLES[spec.subset].backgrounds
    background = make_background(kinds[int(r.integers(len(kinds)))], int(r.integers(1 << 30)))
    colour = TOP_COLOURS[int(r.integers(len(TOP_COLOURS)))]
    if identity.clothes in FIXED_COLOUR_TOPS or (r.random() < .12 and identity.clothes != "male_casualsuit04"):
        colour = None
    return Look(background, colour)


class Person:
    """An identity ready to be filmed; keep it while rendering several clips of the same person."""

    def __init__(self, assets: Assets, number: int, size: int):
        self.assets, self.size = assets, size
        self.identity = sample_identity(number)
        self.scene = Scene(Head(assets, self.identity), size)
        self.landmarks = landmark_vertices(assets)

    def film(self, motion: Motion, tracks: Tracks, look: Look, frames: Iterable[int]) -> Iterator[Frame]:
        """Render the given frame numbers of a motion under a light and camera track."""
        scene, degree = self.scene, np.pi / 180
        for t in frames:
            scale, distance, dx, dy = (float(x) for x in tracks.camera[t])
            sx, sy = (float(x) for x in tracks.shake[t])
            camera = scene.camera(scale, dx - sx, dy - sy, distance, (sx, sy))
            pose = Pose({name: float(curve[t]) for name, curve in motion.units.items()},
                        rotation(*(motion.pose_deg[t] * degree)), motion.shift[t],
                        tuple(motion.gaze_deg[t] * degree), rotation(*(motion.body_deg[t] * degree)))
            image, base, depth = scene.render(pose, light_rows(tracks.light[t]), camera, look)
            points = camera.project(base[self.landmarks], self.size)
            visible = visible_landmarks(points[:, :2], points[:, 2], depth, self.size)
            yield Frame(image, points[:, :2], base[self.landmarks] - camera.position, visible)


def _curves(motion: Motion) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Curves of the npz by key, and the names of the units' columns."""
    names = sorted(motion.units)
    curves = dict(pose_deg=motion.pose_deg, head_trans=motion.shift, body_deg=motion.body_deg, visemes=motion.visemes,
                  units=np.stack([motion.units[n] for n in names], 1), blink=motion.blink, gaze_deg=motion.gaze_deg,
                  brow=motion.brow, emotion_w=motion.strength)
    return curves, np.array(names)


def ground_truth(identity: Identity, spec: ClipSpec, motion: Motion, tracks: Tracks, talk: Talk,
                 frames: list[Frame]) -> dict[str, np.ndarray]:
    """Arrays of the clip's npz: float16 curves, landmarks in pixels rounded to 1/8, names, texts, parameters."""
    points = np.stack([f.points for f in frames])
    signals, unit_names = _curves(motion)
    signals["units"] = np.round(signals["units"] * 512) / 512
    truth: dict[str, Any] = {name: curve.astype(np.float16) for name, curve in signals.items()}
    truth.update(
        identity=np.int32(spec.number), clip=np.int32(spec.take), fps=np.int32(FPS), unit_names=unit_names,
        viseme_names=np.array(VISEMES), emotion=np.array(motion.emotion),
        landmarks=(np.round(points * 8) / 8).astype(np.float16),
        landmarks3d=np.stack([f.points3d for f in frames]).astype(np.float16),
        landmark_visible=np.stack([f.visible for f in frames]),
        face_box=np.stack([face_box(p) for p in points]).astype(np.float16),
        mouth_box=np.stack([mouth_box(p) for p in points]).astype(np.float16),
        light=tracks.light.astype(np.float16), light_names=np.array(LIGHT_NAMES),
        camera=tracks.camera.astype(np.float16), energy=talk.energy.astype(np.float16))
    inside = [(t, p) for t, p in talk.phonemes if -.2 < t < spec.frames / FPS]
    truth.update(phoneme_t=np.array([t for t, _ in inside], np.float32), phoneme=np.array([p for _, p in inside]),
                 text=np.array(talk.text), params=np.array(json.dumps(identity.as_dict(), sort_keys=True)))
    return truth


def make_clip_tracks(spec: ClipSpec) -> Tracks:
    """Light and camera of the clip."""
    return make_tracks((*spec.seed, 6), spec.frames, STYLES[spec.subset])
