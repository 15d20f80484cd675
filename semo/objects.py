"""Clips of one or of two boxes that turn and move: general video in place of portraits (paper section 5, Fig. 11).

    python -m semo.objects --kind two --frame-size 64 --seed 0 --out results/clips/objects-two

Every clip has boxes, colours, light and background of its own, so those of the test are never seen in training. Clip n
of one object is clip n of two without the second: both kinds differ in nothing else. Boxes are alike as faces are, each
has its side of the frame and turns slowly: of arbitrary solids in arbitrary places the networks of a short run learn no
motion at all.

Space is in half widths of the frame: x to the right, y down, z away from the camera; the frame is the square
[-1, 1] x [-1, 1] at z = 0.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from semo.clips import Clip, CrossPair, Refusal, write_table
from semo.corpora.lock import exclusive
from semo.errors import DatasetError, MediaError
from semo.video_writer import FPS, replaced_when_complete, write_lossless

KINDS = {"one": 1, "two": 2}  # objects in a clip
SPLITS = ("train", "test")
FRAMES = 25
CAMERA = 4.0  # distance of the camera from z = 0
DEPTH = 0.5  # one object of two lies so far before z = 0, the other behind it: farther apart than they are wide
AMBIENT = 0.45  # share of the light that comes from everywhere
FINER = 4  # frames are drawn so many times finer and averaged
SUBPIXEL = 4  # bits of a pixel's fraction, in which corners are placed
PLACE = 0.42  # of each object's home from the middle


@dataclass(frozen=True)
class Box:
    """A box around the origin: `half` (3,) edges, `colours` (6, 3) RGB in [0, 1] of the faces, in NORMALS' order."""

    half: np.ndarray
    colours: np.ndarray

    def faces(self) -> np.ndarray:
        """Corners around each face (6, 4, 3)."""
        return np.stack([_around(normal) for normal in NORMALS]) * self.half


@dataclass(frozen=True)
class Movement:
    """Turns by `turn` (axis times radians per second) from `start`, and swings around `home` by `reach` (x, y, z)."""

    start: Rotation
    turn: np.ndarray
    home: np.ndarray
    reach: np.ndarray
    frequency: float
    phase: np.ndarray

    def at(self, time: float) -> tuple[Rotation, np.ndarray]:
        """Orientation and position at `time` in seconds."""
        swing = np.sin(2 * np.pi * (self.frequency * time + self.phase))
        return Rotation.from_rotvec(self.turn * time) * self.start, self.home + self.reach * swing


@dataclass(frozen=True)
class Scene:
    """Moving boxes before a background (S, S, 3) uint8; `light` is the unit vector towards the lamp."""

    objects: tuple[tuple[Box, Movement], ...]
    light: np.ndarray
    background: np.ndarray


NORMALS = np.concatenate([np.eye(3), -np.eye(3)])


def _around(normal: np.ndarray) -> np.ndarray:
    """Corners (4, 3) around the face of the cube of half edge 1 that looks along `normal`."""
    right = np.roll(normal, 1)
    up = np.cross(normal, right)
    return np.stack([normal + a * right + b * up for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))])


def draw_box(rng: np.random.Generator) -> Box:
    """Drawn proportions, size and colours; no corner is farther than 0.45 from the middle."""
    half = rng.uniform(0.7, 1.3, 3)
    half *= rng.uniform(0.32, 0.45) / np.linalg.norm(half)
    hsv = rng.uniform((0, 0.4, 0.5), (360, 1, 1), (len(NORMALS), 3)).astype(np.float32)
    return Box(half, cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0])


def draw_scene(kind: str, size: int, entropy: tuple[int, ...]) -> Scene:
    """The scene of one clip; equal `entropy` gives equal light, background and first object in both kinds."""
    around, *each = (np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(1 + max(KINDS.values())))
    light = np.array([around.uniform(-1, 1), around.uniform(-1, 0.3), -1.0])
    background = _background(size, around)
    nearer = around.choice((-1.0, 1.0))
    objects = []
    for number, rng in enumerate(each[: KINDS[kind]]):
        side = (-1) ** number  # the second object on the other side of the middle, and at the other depth
        place = np.array([-PLACE * side, 0, side * nearer * DEPTH]) + [*rng.uniform(-0.05, 0.05, 2), 0]
        objects.append((draw_box(rng), _movement(rng, place)))
    return Scene(tuple(objects), light / np.linalg.norm(light), background)


def _movement(rng: np.random.Generator, home: np.ndarray) -> Movement:
    """Mostly around the vertical axis, half a turn in five to eleven seconds."""
    axis = np.array([0, rng.choice((-1.0, 1.0)), 0]) + 0.3 * rng.normal(size=3)
    return Movement(
        start=Rotation.from_quat(rng.normal(size=4)),
        turn=axis / np.linalg.norm(axis) * np.radians(rng.uniform(30, 70)),
        home=home,
        reach=np.array([*rng.uniform(0.1, 0.25, 2), 0]),
        frequency=rng.uniform(0.4, 0.9),
        phase=rng.uniform(0, 1, 3),
    )


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """A pale or dark tint with soft patches."""
    patches = rng.uniform(-30, 30, (4, 4, 3)).astype(np.float32)
    picture = rng.uniform(70, 190, 3) + cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def render(scene: Scene, time: float) -> np.ndarray:
    """uint8 (S, S, 3) RGB at `time` in seconds: Lambert's light, perspective, the farther object first."""
    size = len(scene.background)
    canvas = scene.background.repeat(FINER, axis=0).repeat(FINER, axis=1)
    placed = [(box, *movement.at(time)) for box, movement in scene.objects]
    for box, rotation, position in sorted(placed, key=lambda p: -p[2][2]):
        corners = rotation.apply(box.faces().reshape(-1, 3)).reshape(-1, 4, 3) + position
        outlines = size * FINER / 2 * (1 + corners[..., :2] * (CAMERA / (CAMERA + corners[..., 2:]))) - 0.5
        outlines = np.round(outlines * 2**SUBPIXEL).astype(np.int32)
        normals = rotation.apply(NORMALS)
        shades = box.colours * (AMBIENT + (1 - AMBIENT) * np.maximum(normals @ scene.light, 0))[:, None]
        for corner, normal, outline, shade in zip(corners[:, 0], normals, outlines, shades, strict=True):
            if normal @ (corner + np.array([0, 0, CAMERA])) < 0:  # turned to the camera
                cv2.fillConvexPoly(canvas, outline, (255 * shade).round().tolist(), cv2.LINE_8, SUBPIXEL)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def render_clip(kind: str, size: int, entropy: tuple[int, ...], frames: int = FRAMES) -> Iterator[np.ndarray]:
    """The frames of one clip at 25 fps."""
    scene = draw_scene(kind, size, entropy)
    return (render(scene, number / FPS) for number in range(frames))


def write_clips(out: Path, kind: str, size: int, seed: int, counts: dict[str, int]) -> list[Clip]:
    """Write a folder that `ClipSet` reads, `counts` clips of each split, every clip an identity of its own.

    Raises DatasetError for frames below 16 pixels and WriteError where the disk fails; the manifest comes last.
    """
    if size < 16:
        raise DatasetError(f"frame size {size} is too small: use at least 16 pixels")
    with exclusive(out):
        (out / "manifest.tsv").unlink(missing_ok=True)  # never beside clips of other settings
        clips = []
        for split in SPLITS:
            for number in range(counts[split]):
                name = f"objects-{kind}-{split}-{number:03d}"
                video = out / "clips" / f"{name}.mkv"
                write_lossless(video, render_clip(kind, size, (seed, SPLITS.index(split), number)))
                digest = hashlib.sha256(video.read_bytes()).hexdigest()
                clips.append(
                    Clip(name, name, split, f"clips/{name}.mkv", 0.0, FRAMES, FPS, 0, 0, size, False, digest, "CC0-1.0")
                )
        about = {"dataset": f"objects-{kind}", "frame_size": size, "fps": FPS, "seed": seed, "clips": len(clips)}
        with replaced_when_complete(out / "dataset.json") as partial:
            partial.write_text(json.dumps(about, indent=1) + "\n")
        write_table(out / "refused.tsv", Refusal, [])
        write_table(out / "cross.tsv", CrossPair, [])
        write_table(out / "manifest.tsv", Clip, clips)
    return clips


def main(arguments: list[str] | None = None) -> None:
    """Command line of `python -m semo.objects`."""
    parser = argparse.ArgumentParser(prog="python -m semo.objects", description="Render clips of moving objects.")
    parser.add_argument("--kind", required=True, choices=KINDS, help="how many objects move")
    parser.add_argument("--frame-size", type=int, default=64, help="side of the frames in pixels (64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=120, help="training clips (120)")
    parser.add_argument("--test", type=int, default=16, help="test clips (16)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and their manifest")
    options = parser.parse_args(arguments)
    counts = {"train": options.train, "test": options.test}
    try:
        clips = write_clips(options.out, options.kind, options.frame_size, options.seed, counts)
    except (DatasetError, MediaError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"objects-{options.kind}: {len(clips)} clips -> {options.out}")


if __name__ == "__main__":
    main()
