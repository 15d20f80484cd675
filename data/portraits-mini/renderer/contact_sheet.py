"""Contact sheets for looking at people: contact_sheet.py --assets FILE --out SHEET.png [--numbers 0-31] [--size 256].

With --sequence it shows successive frames of one person instead of one frame of each.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from assets import Assets
from clip import ClipSpec, Person, make_clip_motion, make_clip_tracks, make_look, make_talk
from styles import SUBSETS


def numbers(text: str) -> list[int]:
    """"0-3,8" -> [0, 1, 2, 3, 8]."""
    out: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def sheet(images: list[np.ndarray], columns: int) -> Image.Image:
    images = images + [np.zeros_like(images[0])] * (-len(images) % columns)
    rows = [np.concatenate(images[i:i + columns], 1) for i in range(0, len(images), columns)]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--numbers", default="0-31")
    parser.add_argument("--subset", choices=SUBSETS, help="default: turns with the number")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--frame", type=int, default=24)
    parser.add_argument("--sequence", action="store_true")
    a = parser.parse_args()
    assets, images = Assets(a.assets), []
    for number in numbers(a.numbers):
        spec = ClipSpec(number, a.subset or SUBSETS[number % 3], 0, 50, a.size)
        start = time.perf_counter()
        person = Person(assets, number, a.size)
        talk = make_talk(person.identity, spec)
        motion, tracks = make_clip_motion(spec, talk), make_clip_tracks(spec)
        look = make_look(person.identity, spec)
        ready = time.perf_counter()
        frames = range(0, 50, 2) if a.sequence else [a.frame]
        images += [f.image for f in person.film(motion, tracks, look, frames)]
        end = time.perf_counter()
        print(f"{spec.name} {person.identity.hair or 'bald'} {motion.emotion}: setup {ready - start:.2f} s, "
              f"{1000 * (end - ready) / len(frames):.0f} ms per frame", flush=True)
    sheet(images, a.columns).save(a.out)


if __name__ == "__main__":
    main()
