"""What the shipped networks measure on people they never saw: the figures of semo/weights/metrics/README.md.

`python -m semo.features.train.measure --clips DIR... [--size 64] [--weights DIR]` prints them as Markdown tables; the
folders hold prepared portraits-mini.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semo.clips import ClipSet
from semo.features.base import SHIPPED, Extractor, Features
from semo.features.corpus import CorpusAudioVisual, CorpusClip, CorpusFrame, CorpusPerceptual
from semo.features.train.data import blurred, compressed, ghosted, noisy
from semo.metrics.avc_corpus import confidence
from semo.metrics.avd_corpus import least_distance, offset
from semo.metrics.base import ClipFeatures
from semo.metrics.fid import distance_of_frames
from semo.metrics.fvd import distance_of_windows
from semo.metrics.gaze_error import gaze_error
from semo.metrics.mouth_error import mouth_error
from semo.metrics.pose_error import pose_error
from semo.pictures import crop_resize
from semo.progress import progress

FRAMES = 50       # of every test clip for the pictures' metrics
SHIFTS = (-8, -3, 0, 3, 8)  # frames by which the sound is moved
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """A test clip: frames uint8 (125, S, S, 3), sound float32 at 16 kHz, ground truth."""

    dataset: str
    identity: str
    frames: np.ndarray
    sound: np.ndarray
    truth: Mapping[str, np.ndarray]


def read_test_clips(folders: list[Path], size: int) -> list[HeldOut]:
    """All test clips of prepared data sets, reduced to `size` pixels."""
    found = []
    sets = [ClipSet(folder) for folder in folders]
    with progress(sum(len(clips.select("test")) for clips in sets), "clips", "read") as bar:
        for clips in sets:
            for clip in clips.select("test"):
                frames = np.stack([crop_resize(frame, None, size) for frame in clips.frames(clip)])
                found.append(HeldOut(clips.dataset, clip.identity, frames, clips.audio(clip), clips.truth(clip) or {}))
                bar.advance()
    return found


def of_frames(change: Callable[[np.ndarray, float, np.random.Generator], np.ndarray], strength: float) -> Change:
    """A change of every frame on its own, at one strength."""
    return lambda frames, rng: np.stack([change(frame, strength, rng) for frame in frames])


def pushed(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The frame shifted to the right by a share of its side, edge repeated."""
    pixels = round(strength * frame.shape[1])
    return np.pad(frame, ((0, 0), (pixels, 0), (0, 0)), mode="edge")[:, : frame.shape[1]]


def frozen(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first frame for all."""
    return np.repeat(frames[:1], len(frames), axis=0)


def held(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every fourth frame shown four times."""
    return frames[np.arange(len(frames)) // 4 * 4]


def shuffled(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frames in random order."""
    return frames[rng.permutation(len(frames))]


def changes() -> dict[str, Change]:
    """Damage by name; names that differ only in the number grow in strength."""
    found: dict[str, Change] = {}
    kinds = {"blur": lambda f, s, rng: blurred(f, s), "noise": noisy, "JPEG": lambda f, s, rng: compressed(f, s),
             "shift": pushed}
    for name, kind in kinds.items():
        strengths = (1 / 64, 2 / 64, 4 / 64) if name == "shift" else (0.1, 0.35, 0.8)
        found |= {f"{name} {level}": of_frames(kind, s) for level, s in enumerate(strengths, 1)}
    return found | {"every 4th frame": held, "frozen": frozen, "shuffled": shuffled}


def features(extractor: Extractor, frames: np.ndarray, sound: np.ndarray | None = None) -> Features:
    """Features of frames held in memory."""
    session = extractor.start()
    session.add(frames)
    return session.finish(sound)


class Networks:
    """The four networks from a folder of weights."""

    def __init__(self, folder: Path = SHIPPED):
        files = {path.name: path for path in folder.glob("corpus-*.safetensors")}
        self.frame, self.clip = CorpusFrame(files), CorpusClip(files)
        self.perceptual, self.av = CorpusPerceptual(files), CorpusAudioVisual(files)


def errors(clips: list[HeldOut], networks: Networks) -> list[str]:
    """Lines of the table of pose, mouth and gaze error of true frames, the floor, and of damaged ones."""
    rows: dict[str, list] = {clip.dataset: [] for clip in clips} | {"all": []}
    damaged = {"all, blur 2": changes()["blur 2"], "all, noise 2": changes()["noise 2"], "all, frozen": frozen}
    with progress(len(clips), "clips", "errors") as bar:
        for index, clip in enumerate(clips):
            real = features(networks.frame, clip.frames[:FRAMES])
            found = _errors(ClipFeatures(real, real, clip.truth))
            rows[clip.dataset].append(found)
            rows["all"].append(found)
            for name, change in damaged.items():
                fake = features(networks.frame, change(clip.frames[:FRAMES], np.random.default_rng(index)))
                rows.setdefault(name, []).append(_errors(ClipFeatures(real, fake, clip.truth)))
            bar.advance()
    lines = ["| test clips | pose, degrees | mouth, % of the morph | gaze, degrees |", "|---|---|---|---|"]
    means = {name: np.mean(np.array(found, float), axis=0) for name, found in rows.items()}
    return lines + [f"| {name} | {a:.2f} | {b:.2f} | {c:.2f} |" for name, (a, b, c) in means.items()]


def _errors(pair: ClipFeatures) -> tuple[float | None, float, float | None]:
    return pose_error(pair), 100 * (mouth_error(pair) or 0), gaze_error(pair)


def sync(clips: list[HeldOut], networks: Networks) -> list[str]:
    """Lines of the table of offsets and distances under moved sound."""
    found: dict[int, list] = {shift: [] for shift in SHIFTS}
    others = []
    with progress(len(clips), "clips", "sound") as bar:
        for clip, before in zip(clips, clips[-1:] + clips[:-1], strict=True):
            session = networks.av.start()
            session.add(clip.frames)
            for shift in SHIFTS:
                found[shift].append(_readings(session.finish(moved_sound(clip.sound, shift))))
            others.append(_readings(session.finish(before.sound)))
            bar.advance()
    lines = ["| sound | offset found within one frame | exactly | AVD-corpus | AVC-corpus |", "|---|---|---|---|---|"]
    for shift, rows in found.items():
        offsets, distances, confidences = np.array(rows, float).T
        wrong = np.abs(offsets + shift)
        lines.append(f"| {shift:+d} frames | {(wrong <= 1).mean():.0%} | {(wrong == 0).mean():.0%} "
                     f"| {distances.mean():.3f} | {confidences.mean():.3f} |")
    _, distances, confidences = np.array(others, float).T
    return [*lines, f"| of another clip | | | {distances.mean():.3f} | {confidences.mean():.3f} |"]


def _readings(found: Features) -> tuple[int | None, float | None, float | None]:
    return offset(found), least_distance(found), confidence(found)


def moved_sound(sound: np.ndarray, frames: int) -> np.ndarray:
    """Sound that comes `frames` frames late (negative: early), silence where there is none."""
    samples = abs(frames) * 640
    if frames >= 0:
        return np.concatenate([np.zeros(samples, sound.dtype), sound[: len(sound) - samples]])
    return np.concatenate([sound[samples:], np.zeros(samples, sound.dtype)])


def damage(clips: list[HeldOut], networks: Networks) -> list[str]:
    """Lines of the table of FD-corpus, FD-corpus-clip and PD-corpus under damage, and of what they say without any."""
    videos = [clip.frames[:FRAMES] for clip in clips[::6]]
    truths = [[features(net, frames) for frames in videos] for net in (networks.frame, networks.clip)]
    count = sum(map(len, videos))
    lines = [f"| {len(videos)} clips, {count} frames | FD-corpus | FD-corpus-clip | PD-corpus |", "|---|---|---|---|"]

    def row(name: str, fakes: list[np.ndarray]) -> str:
        frame, clip = ([features(net, frames) for frames in fakes] for net in (networks.frame, networks.clip))
        distance = np.mean([networks.perceptual.distances(a, b).mean() for a, b in zip(videos, fakes)])
        fd, fd_clip = distance_of_frames(truths[0], frame), distance_of_windows(truths[1], clip)
        return f"| {name} | {fd:.2f} | {fd_clip:.2f} | {distance:.3f} |"

    table = changes()
    with progress(len(table) + 3, "changes", "damage") as bar:
        for name, change in {"none": lambda frames, rng: frames, **table}.items():
            fakes = [change(frames, np.random.default_rng(i)) for i, frames in enumerate(videos)]
            lines.append(row(name, fakes))
            bar.advance()
        ghosts = [np.stack([ghosted(a, b, 0.7) for a, b in zip(frames, frames[::-1])]) for frames in videos]
        lines.append(row("ghost of another frame", ghosts))
        lines.append(row("other people (clips rotated by 4)", videos[4:] + videos[:4]))
        bar.advance(2)
    return lines


def floor(clips: list[HeldOut], networks: Networks) -> list[str]:
    """Lines of the table of real against real: two takes of the same people, and two halves of the people."""

    def of(net: Extractor, take: int, half: slice) -> list[Features]:
        return [features(net, clip.frames[:FRAMES]) for clip in clips[take::3][half]]

    lines = ["| real against real | n | FD-corpus | n | FD-corpus-clip |", "|---|---|---|---|---|"]
    splits = {"first and second take of the same people": ((0, slice(None)), (1, slice(None))),
              "first takes of two halves of the people": ((0, slice(0, None, 2)), (0, slice(1, None, 2)))}
    for name, sides in splits.items():
        frame, clip = ([of(net, *side) for side in sides] for net in (networks.frame, networks.clip))
        counts = [sum(len(f[key]) for f in side[0]) for side, key in ((frame, "frames"), (clip, "windows"))]
        lines.append(f"| {name} | {counts[0]} | {distance_of_frames(*frame):.2f} | {counts[1]} "
                     f"| {distance_of_windows(*clip):.2f} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `python -m semo.features.train.measure`."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m semo.features.train.measure", description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="prepared portraits-mini folders")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder with the networks")
    parser.add_argument("--size", type=int, default=64, help="side of the frames in pixels")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    clips, networks = read_test_clips(options.clips, options.size), Networks(options.weights)
    print(f"Frames of {options.size} px.\n")
    for name in options.only:
        print("\n".join(TABLES[name](clips, networks)), end="\n\n", flush=True)


TABLES = {"errors": errors, "damage": damage, "floor": floor, "sync": sync}

if __name__ == "__main__":
    main()
