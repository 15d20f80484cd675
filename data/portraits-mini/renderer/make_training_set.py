"""Render thousands of people at 64 px, for training the released weights; the output is not part of the project.

usage: make_training_set.py --assets head_assets.npz --out DIR [--people 3000] [--first 100000] [--size 64]

Writes DIR/shard_%04d.npz, each complete as soon as it has its name: `frames` uint8 (P,16,size,size,3) RGB, every third
frame of a 25 fps clip, and `identity` int32 (P,). Identity numbers start at 100000, far from those of the corpus.
Finished shards are kept when the command is run again.
"""
from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from assets import Assets
from clip import SEED, ClipSpec, Person, Talk, cut, make_clip_motion, make_clip_tracks, make_look
from sentences import SENTENCES
from speech import SAMPLE_RATE, speak
from styles import SUBSETS
from visemes import FPS

FRAMES, STEP = 16, 3
PER_SHARD = 64
VOICES = tuple(dict(voice=f"{accent}+{variant}", rate=rate, pitch=50, spread=50) for accent, variant, rate in (
    ("en-us", "m3", 150), ("en-us", "f2", 165), ("en", "m1", 160), ("en-gb-x-rp", "f3", 155),
    ("en-gb-scotland", "m4", 170), ("en-us", "f4", 175)))


def pooled_talk(spec: ClipSpec) -> Talk:
    """A random window of a sentence from the small pool of voices, so that speech is synthesised only once."""
    r = np.random.default_rng([SEED, spec.number, 9])
    text, voice = SENTENCES[int(r.integers(len(SENTENCES)))], VOICES[int(r.integers(len(VOICES)))]
    speech = speak(text, **voice)
    longest = max(len(speech.wave) / SAMPLE_RATE - spec.frames / FPS, 0)
    return cut(speech, text, round(float(r.uniform(-.3, longest)) * FPS) / FPS, spec.frames)


def render_person(assets: Assets, number: int, size: int) -> np.ndarray:
    """Frames uint8 (16,size,size,3) of one person; the subset's style turns with the number."""
    spec = ClipSpec(number, SUBSETS[number % 3], 0, FRAMES * STEP, size)
    person = Person(assets, number, size)
    motion, tracks = make_clip_motion(spec, pooled_talk(spec)), make_clip_tracks(spec)
    film = person.film(motion, tracks, make_look(person.identity, spec), range(0, FRAMES * STEP, STEP))
    return np.stack([frame.image for frame in film])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--first", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=64)
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    assets, start, done = Assets(a.assets), time.perf_counter(), 0
    for shard, offset in enumerate(range(0, a.people, PER_SHARD)):
        path = a.out / f"shard_{shard:04d}.npz"
        numbers = range(a.first + offset, a.first + min(offset + PER_SHARD, a.people))
        if path.exists():
            continue
        frames = np.stack([render_person(assets, n, a.size) for n in numbers])
        part = path.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez_compressed(file, frames=frames, identity=np.array(numbers, np.int32))
        os.replace(part, path)
        done += len(numbers)
        rate = (time.perf_counter() - start) / done
        left = rate * (a.people - numbers.stop + a.first) / 60
        print(f"{path.name}: {rate:.2f} s per person, {left:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
