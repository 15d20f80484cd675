"""Clips of one or of two objects that turn and move: general video in place of portraits (paper section 5, Fig. 11).

    python -m semo.objects --kind two --frame-size 64 --seed 0 --out results/clips/objects-two

Every clip has objects, colours, light and background of its own, so those of the test are never seen in training. Clip
n of one object is clip n of two without the second: both kinds differ in nothing else.

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
from scipy.spatial import ConvexHull
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
GOLDEN = (1 + 5**0.5) / 2


@dataclass(frozen=True)
class Solid:
    """A convex polyhedron around the origin.

    `vertices` (V, 3); `faces`: numbers of the vertices around each flat face; `normals` (F, 3) outward units;
    `colours` (F, 3) RGB in [0, 1].
    """

    vertices: np.ndarray
    faces: tuple[np.ndarray, ...]
    normals: np.ndarray
    colours: np.ndarray


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
    """Moving solids before a background (S, S, 3) uint8; `light` is the unit vector towards the lamp."""

    objects: tuple[tuple[Solid, Movement], ...]
    light: np.ndarray
    background: np.ndarray


def _signs(*sizes: float) -> np.ndarray:
    """(+-a, +-b, +-c), all eight."""
    return np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, -1).T * np.array(sizes)


def _ring(sides: int, z: float) -> np.ndarray:
    angle = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angle), np.sin(angle), np.full(sides, z)], axis=1)


def _cyclic(points: np.ndarray) -> np.ndarray:
    """The points with their coordinates turned around twice: (3 N, 3)."""
    return np.concatenate([np.roll(points, shift, axis=1) for shift in range(3)])


SHAPES = {
    "tetrahedron": _signs(1, 1, 1)[[0, 3, 5, 6]],
    "box": _signs(1, 1, 1),
    "octahedron": np.concatenate([np.eye(3), -np.eye(3)]),
    "pyramid": np.concatenate([_ring(4, -0.5), [[0, 0, 1]]]),
    "triangular prism": np.concatenate([_ring(3, -0.8), _ring(3, 0.8)]),
    "hexagonal prism": np.concatenate([_ring(6, -0.7), _ring(6, 0.7)]),
    "icosahedron": np.unique(_cyclic(_signs(0, 1, GOLDEN)), axis=0),
    "dodecahedron": np.unique(np.concatenate([_signs(1, 1, 1), _cyclic(_signs(0, 1 / GOLDEN, GOLDEN))]), axis=0),
}


def solid(points: np.ndarray, radius: float, colours: np.random.Generator) -> Solid:
    """The convex hull of `points` (N, 3), centred, its farthest corner at `radius`; each face in a drawn colour."""
    points = points - points.mean(0)
    points = points * (radius / np.linalg.norm(points, axis=1).max())
    hull = ConvexHull(points)
    planes, of_triangle = np.unique(hull.equations.round(6), axis=0, return_inverse=True)
    faces = []
    for number, normal in enumerate(planes[:, :3]):
        corners = np.unique(hull.simplices[of_triangle.ravel() == number])
        around = points[corners] - points[corners].mean(0)
        right = around[0] / np.linalg.norm(around[0])
        angle = np.arctan2(around @ np.cross(normal, right), around @ right)
        faces.append(corners[np.argsort(angle)])
    hsv = colours.uniform((0, 0.4, 0.5), (360, 1, 1), (len(faces), 3)).astype(np.float32)
    return Solid(points, tuple(faces), planes[:, :3], cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0])


def draw_scene(kind: str, size: int, entropy: tuple[int, ...]) -> Scene:
    """The scene of one clip; equal `entropy` gives equal light, background and first object in both kinds."""
    around, *each = (np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(1 + max(KINDS.values())))
    light = np.array([around.uniform(-1, 1), around.uniform(-1, 0.3), -1.0])
    background = _background(size, around)
    angle, nearer = around.uniform(0, 2 * np.pi), around.choice((-1.0, 1.0))
    objects = []
    for number, rng in enumerate(each[: KINDS[kind]]):
        side = (-1) ** number  # the second object on the other side of the middle, and at the other depth
        shape = list(SHAPES.values())[rng.integers(len(SHAPES))] * rng.uniform(0.7, 1.3, 3)
        made = solid(shape, rng.uniform(0.32, 0.45), rng)
        home = side * np.array([np.cos(angle), np.sin(angle), 0]) * rng.uniform(0.3, 0.45)
        objects.append((made, _movement(rng, home + np.array([0, 0, side * nearer * DEPTH]))))
    return Scene(tuple(objects), light / np.linalg.norm(light), background)


def _movement(rng: np.random.Generator, home: np.ndarray) -> Movement:
    axis = rng.normal(size=3)
    return Movement(
        start=Rotation.from_quat(rng.normal(size=4)),
        turn=axis / np.linalg.norm(axis) * np.radians(rng.uniform(45, 120)),
        home=home,
        reach=np.array([*rng.uniform(0.08, 0.2, 2), 0]),
        frequency=rng.uniform(0.4, 0.9),
        phase=rng.uniform(0, 1, 3),
    )


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """A pale or dark tint with soft patches, large and small."""
    picture = np.full((size, size, 3), rng.uniform(70, 190, 3), np.float32)
    for cells, strength in ((4, 40), (16, 12)):  # patches a side
        patches = rng.uniform(-strength, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def render(scene: Scene, time: float) -> np.ndarray:
    """uint8 (S, S, 3) RGB at `time` in seconds: Lambert's light, perspective, the farther object first."""
    size = len(scene.background)
    canvas = scene.background.repeat(FINER, axis=0).repeat(FINER, axis=1)
    placed = [(made, *movement.at(time)) for made, movement in scene.objects]
    for made, rotation, position in sorted(placed, key=lambda p: -p[2][2]):
        corners = rotation.apply(made.vertices) + position
        outline = size * FINER / 2 * (1 + corners[:, :2] * (CAMERA / (CAMERA + corners[:, 2:]))) - 0.5
        outline = np.round(outline * 2**SUBPIXEL).astype(np.int32)
        normals = rotation.apply(made.normals)
        shades = made.colours * (AMBIENT + (1 - AMBIENT) * np.maximum(normals @ scene.light, 0))[:, None]
        for face, normal, shade in zip(made.faces, normals, shades, strict=True):
            if normal @ (corners[face[0]] + np.array([0, 0, CAMERA])) < 0:  # turned to the camera
                cv2.fillConvexPoly(canvas, outline[face], (255 * shade).round().tolist(), cv2.LINE_8, SUBPIXEL)
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
