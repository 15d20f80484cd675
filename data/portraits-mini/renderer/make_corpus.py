"""Render the corpus portraits-mini: videos (H.264 + AAC), ground truth (npz) and the two tables.

usage: make_corpus.py --assets head_assets.npz --out DIR [--splits train,test,seen,cross] [--subsets ...]

Files that exist are kept, so an interrupted run continues. The tables list what is there when the command ends.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from assets import Assets
from clip import (
    ClipSpec,
    Frame,
    Person,
    ground_truth,
    identity_name,
    make_clip_motion,
    make_clip_tracks,
    make_look,
    make_talk,
)
from encode import write_arrays, write_video
from identity import sample_identity
from styles import SUBSETS

TEST_PEOPLE, TEST_TAKES, TEST_FRAMES, TEST_SIZE = 10, 3, 125, 256
TRAIN_PEOPLE, TRAIN_FRAMES, TRAIN_SIZE = 100, 50, 128
SEEN_PER_SUBSET = 8
CROSS_FRAMES = 50
CRF = {128: 20, 256: 20}
CLIP_COLUMNS = ("clip", "subset", "identity", "split", "path", "frames", "size", "has_audio", "sha256", "motion_of")
CROSS_COLUMNS = ("pair", "subset", "source_clip", "driving_clip", "path", "frames")


@dataclass(frozen=True)
class Job:
    """One clip of a split."""
    spec: ClipSpec
    split: str


def test_numbers(subset: str) -> range:
    """Identity numbers 0-9, 10-19, 20-29 are for testing only."""
    return range(SUBSETS.index(subset) * TEST_PEOPLE, (SUBSETS.index(subset) + 1) * TEST_PEOPLE)


def train_numbers(subset: str) -> range:
    """Identity numbers 100-199, 200-299, 300-399 are for training."""
    first = 100 * (1 + SUBSETS.index(subset))
    return range(first, first + TRAIN_PEOPLE)


def jobs(split: str, subset: str) -> list[Job]:
    """Clips of a split (train, test or seen) of one subset, grouped by person."""
    if split == "train":
        return [Job(ClipSpec(n, subset, 0, TRAIN_FRAMES, TRAIN_SIZE), split) for n in train_numbers(subset)]
    if split == "test":
        return [Job(ClipSpec(n, subset, take, TEST_FRAMES, TEST_SIZE), split)
                for n in test_numbers(subset) for take in range(TEST_TAKES)]
    people = list(train_numbers(subset))[::TRAIN_PEOPLE // SEEN_PER_SUBSET + 1][:SEEN_PER_SUBSET]
    return [Job(ClipSpec(n, subset, 1, TRAIN_FRAMES, TRAIN_SIZE), "seen") for n in people]


def cross_pairs(subset: str) -> list[tuple[ClipSpec, ClipSpec]]:
    """(source, driving) clips: every test person of the subset once with the motion of another one."""
    numbers = list(test_numbers(subset))
    pairs = []
    for i, source in enumerate(numbers):
        driver = numbers[(i + 3) % len(numbers)]
        pairs.append((ClipSpec(source, subset, i % TEST_TAKES, TEST_FRAMES, TEST_SIZE),
                      ClipSpec(driver, subset, (i + 1) % TEST_TAKES, TEST_FRAMES, TEST_SIZE)))
    return pairs


def pair_name(source: ClipSpec, driving: ClipSpec) -> str:
    return f"{source.name}--{identity_name(driving.number)}-c{driving.take}"


class Studio:
    """Renders clips into a folder; remembers the last person."""

    def __init__(self, assets: Assets, out: Path):
        self.assets, self.out = assets, out
        self._person: Person | None = None

    def person(self, spec: ClipSpec) -> Person:
        person = self._person
        if person is None or (person.identity.number, person.size) != (spec.number, spec.size):
            person = self._person = Person(self.assets, spec.number, spec.size)
        return person

    def render_clip(self, spec: ClipSpec) -> None:
        """Write <subset>/<clip>.mp4 and .npz unless both exist."""
        video = self.out / spec.subset / f"{spec.name}.mp4"
        truth = video.with_suffix(".npz")
        if video.exists() and truth.exists():
            return
        person = self.person(spec)
        talk = make_talk(person.identity, spec)
        motion, tracks = make_clip_motion(spec, talk), make_clip_tracks(spec)
        look, frames = make_look(person.identity, spec), []

        def images():
            for frame in person.film(motion, tracks, look, range(spec.frames)):
                yield frame.image
                frames.append(replace(frame, image=np.zeros(0)))

        write_video(video, images(), spec.size, CRF[spec.size], talk.wave)
        write_arrays(truth, ground_truth(person.identity, spec, motion, tracks, talk, frames))

    def render_pair(self, source: ClipSpec, driving: ClipSpec) -> None:
        """Write cross/<pair>.mp4: the source's person, look, light and camera with the driving clip's motion."""
        video = self.out / "cross" / f"{pair_name(source, driving)}.mp4"
        if video.exists():
            return
        images = (frame.image for frame in self.film_pair(source, driving, range(CROSS_FRAMES)))
        write_video(video, images, source.size, CRF[source.size], None)

    def film_pair(self, source: ClipSpec, driving: ClipSpec, frames: range) -> list[Frame]:
        """Frames of a cross pair."""
        person = self.person(source)
        motion = make_clip_motion(driving, make_talk(sample_identity(driving.number), driving))
        return list(person.film(motion, make_clip_tracks(source), make_look(person.identity, source), frames))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    part = path.with_suffix(".part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def write_tables(out: Path) -> None:
    """corpus.tsv and cross.tsv of the files that exist."""
    clips, pairs = [], []
    for split in ("train", "test", "seen"):
        for subset in SUBSETS:
            for job in jobs(split, subset):
                path = out / subset / f"{job.spec.name}.mp4"
                if path.exists() and path.with_suffix(".npz").exists():
                    clips.append(dict(
                        clip=job.spec.name, subset=subset, identity=identity_name(job.spec.number), split=split,
                        path=f"{subset}/{path.name}", frames=job.spec.frames, size=job.spec.size, has_audio=1,
                        sha256=_sha256(path), motion_of=""))
    for subset in SUBSETS:
        for source, driving in cross_pairs(subset):
            path = out / "cross" / f"{pair_name(source, driving)}.mp4"
            if path.exists():
                pairs.append(dict(pair=path.stem, subset=subset, source_clip=source.name, driving_clip=driving.name,
                                  path=f"cross/{path.name}", frames=CROSS_FRAMES))
    _write_table(out / "corpus.tsv", CLIP_COLUMNS, clips)
    _write_table(out / "cross.tsv", CROSS_COLUMNS, pairs)


def render(studio: Studio, splits: list[str], subsets: list[str]) -> None:
    """Render splits in order, printing the time left of each."""
    for split in splits:
        if split == "cross":
            tasks = [lambda p=pair: studio.render_pair(*p) for s in subsets for pair in cross_pairs(s)]
        else:
            tasks = [lambda j=job: studio.render_clip(j.spec) for s in subsets for job in jobs(split, s)]
        start = time.perf_counter()
        for done, task in enumerate(tasks, 1):
            task()
            if done % 10 == 0 or done == len(tasks):
                left = (time.perf_counter() - start) / done * (len(tasks) - done) / 60
                print(f"{split}: {done} of {len(tasks)}, {left:.1f} min left", flush=True)
        write_tables(studio.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", required=True, help="head_assets.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--splits", default="train,test,seen,cross")
    parser.add_argument("--subsets", default=",".join(SUBSETS))
    a = parser.parse_args()
    for folder in (*SUBSETS, "cross"):
        (a.out / folder).mkdir(parents=True, exist_ok=True)
    render(Studio(Assets(a.assets), a.out), a.splits.split(","), a.subsets.split(","))


if __name__ == "__main__":
    main()
