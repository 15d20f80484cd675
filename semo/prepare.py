"""Preparation of clips: 25 fps by timestamps, one fixed square crop, lossless video with 16 kHz sound, a manifest.

Resumable: a clip whose file, place and settings are those of an earlier run is not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semo.clips import Clip, CrossPair, Refusal, write_table
from semo.corpora.lock import exclusive
from semo.datasets import DATASETS_FILE, Candidate, CandidatePair, Dataset, SoundLimits, candidates, read_dataset
from semo.detect import WORKING_SIDE, Detector, Face, follow_largest, make_detector, square_crop
from semo.errors import DatasetError, MediaError, WriteError
from semo.media import FPS, MediaInfo, iter_frames, probe, read_audio, write_lossless
from semo.pictures import SQUARE, centre_square, crop_resize
from semo.progress import progress
from semo.speech import Activity, make_activity, objection
from semo.video_writer import replaced_when_complete

LOOKS = 12          # frames of a clip in which the face is searched
MIN_LOOKS = 0.5     # share of them that must show it
SMALLEST_FACE = 24  # pixels of the source video


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _unchanged_sha256(path: Path, size: int, modified: int) -> str:
    """`file_sha256`, once for a file that many clips are cut from."""
    return file_sha256(path)


@dataclass(frozen=True)
class Cut:
    """A clip before it is written: uint8 frames (S, S, 3) as they are decoded, sound, and why it was left out."""

    clip: Clip
    frames: Iterator[np.ndarray]
    sound: np.ndarray | None
    objected: str | None


class Preparation:
    """Prepares the clips of one data set into `out`. Raises DatasetError or WriteError; single clips are refused.

    One run at a time works on `out`. Sound that fails the data set's `sound` limits is refused alone: its clip stays,
    without sound, so that it trains the motion encoder and decoder but not the motion generator.
    """

    def __init__(self, dataset: Dataset, frame_size: int, out: Path, weights_dir: Path | None = None):
        if frame_size < 16:
            raise DatasetError(f"frame size {frame_size} is too small: use at least 16 pixels")
        self.dataset, self.size, self.out = dataset, frame_size, out
        self.weights = _detector_weights(dataset, weights_dir)
        self._detectors = threading.local()
        self.weights_dir = weights_dir
        self._settings = [frame_size, dataset.detector, dataset.enlarge, dataset.max_seconds, dataset.min_frames,
                          dataset.require_audio, dataset.licence]
        if dataset.sound:
            self._settings.append(asdict(dataset.sound))

    def run(self, threads: int = 1) -> tuple[list[Clip], list[CrossPair], list[Refusal]]:
        """Prepare everything and write manifest.tsv, cross.tsv, refused.tsv and dataset.json."""
        with exclusive(self.out):
            return self._run(threads)

    def _run(self, threads: int) -> tuple[list[Clip], list[CrossPair], list[Refusal]]:
        cv2.setNumThreads(1)  # clips are the unit of parallel work
        found, pairs, refused = candidates(self.dataset) if self.dataset.enabled else ([], [], [])
        check_unique(found, self.dataset)
        for folder in ("clips", "cross", "truth", "state"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)
        for name in ("manifest.tsv", "shards.json"):
            (self.out / name).unlink(missing_ok=True)  # never beside clips of other settings
        for leftover in self.out.glob("*/.*.partial"):
            leftover.unlink()
        clips: list[Clip] = []
        jobs = [(self.prepared, candidate) for candidate in found] + [(self.prepare_pair, pair) for pair in pairs]
        with progress(len(jobs), "clips", f"prepare {self.dataset.id}") as bar:
            for result in _parallel(jobs, threads):
                clips += [row for row in result if isinstance(row, Clip)]
                refused += [row for row in result if isinstance(row, Refusal)]
                bar.advance(1, refused=len(refused))
        have = {clip.clip for clip in clips}
        kept = [CrossPair(p.pair, p.source_clip, p.driving_clip, f"cross/{p.pair}.mkv", p.frames) for p in pairs
                if p.source_clip in have and p.driving_clip in have]
        self.write(clips, kept, refused)
        return clips, kept, refused

    def write(self, clips: list[Clip], pairs: list[CrossPair], refused: list[Refusal]) -> None:
        """The tables of the data set; files of clips and pairs that are in none of them are removed."""
        names = {clip.clip for clip in clips} | {pair.pair for pair in pairs}
        for path in self.out.glob("*/*.*"):
            if path.parent.name in ("clips", "cross", "truth", "state") and path.stem not in names:
                path.unlink()  # of an earlier state of the data set
        about = {"dataset": self.dataset.id, "subset": self.dataset.subset, "frame_size": self.size, "fps": FPS,
                 "detector": self.dataset.detector, "licence": self.dataset.licence, "enabled": self.dataset.enabled,
                 "clips": len(clips), "refused": len(refused), "reasons": count_reasons(refused),
                 "splits": self.dataset.splits}
        with replaced_when_complete(self.out / "dataset.json") as partial:
            partial.write_text(json.dumps(about, indent=1) + "\n")
        write_table(self.out / "refused.tsv", Refusal, refused)
        write_table(self.out / "cross.tsv", CrossPair, pairs)
        write_table(self.out / "manifest.tsv", Clip, clips)

    def prepared(self, candidate: Candidate) -> list[Clip | Refusal]:
        """The clip, or what is refused of it: all, or its sound alone."""
        try:
            clip, objected = self._prepared(candidate)
        except WriteError:
            raise
        except MediaError as error:
            return [Refusal(candidate.place, str(error).removeprefix(f"{candidate.file}: "))]
        return [clip] + ([Refusal(candidate.place, f"{objected}; kept without sound")] if objected else [])

    def digest(self, candidate: Candidate) -> str:
        """sha256 of the clip's source file, checked against what is known of it. Raises MediaError or DatasetError."""
        if not candidate.file.is_file():
            if candidate.sha256:
                raise DatasetError(f"{candidate.file}: the shipped file is missing; restore it with git")
            raise MediaError(f"{candidate.file}: no such file")
        status = candidate.file.stat()
        digest = _unchanged_sha256(candidate.file, status.st_size, status.st_mtime_ns)
        if candidate.source_sha256 and digest != candidate.source_sha256:
            raise MediaError(f"{candidate.file}: is not the file that the split was made of (sha256 {digest[:12]}, "
                             f"expected {candidate.source_sha256[:12]})")
        if candidate.sha256 and digest != candidate.sha256:
            raise DatasetError(f"{candidate.file}: differs from the shipped file (sha256 {digest[:12]}, expected "
                               f"{candidate.sha256[:12]}); restore it with git")
        return digest

    def _prepared(self, candidate: Candidate) -> tuple[Clip, str | None]:
        digest = self.digest(candidate)
        described = asdict(replace(candidate, file=Path(candidate.relative), truth=None))
        described = {key: value for key, value in described.items()
                     if value is not None or key not in ("window", "source_sha256")}
        key = hashlib.sha256(json.dumps([self._settings, described, digest], default=str).encode()).hexdigest()
        state, video = self.out / "state" / f"{candidate.clip}.json", self.out / "clips" / f"{candidate.clip}.mkv"
        if state.is_file() and video.is_file():
            done = json.loads(state.read_text())
            if done["key"] == key:
                return Clip(**done["clip"]), done.get("objected")
        cut = self.cut(candidate, digest)
        write_lossless(video, cut.frames, FPS, cut.sound)
        clip, objected = cut.clip, cut.objected
        if candidate.truth is not None and candidate.truth.is_file():
            _link(candidate.truth, self.out / "truth" / f"{candidate.clip}.npz")
        with replaced_when_complete(state) as partial:
            partial.write_text(json.dumps({"key": key, "clip": asdict(clip), "objected": objected}))
        return clip, objected

    def cut(self, candidate: Candidate, digest: str) -> Cut:
        """The candidate as a clip, its frames not yet decoded. Raises MediaError where it cannot be one."""
        data, file = self.dataset, candidate.file
        info = probe(file)
        frames = min(info.frames_at(FPS, candidate.start), candidate.frames or round(data.max_seconds * FPS))
        if frames < (candidate.frames or data.min_frames):
            raise MediaError(f"too short: {frames} frames at 25 fps from {candidate.start:g} s on, "
                             f"{candidate.frames or data.min_frames} are needed")
        if data.require_audio and not info.has_audio:
            raise MediaError("has no audio stream, which this data set requires")
        box = self._box(info, candidate, frames)
        sound = self._sound(info, candidate.start, frames)
        objected = None
        if data.sound and sound is not None:
            objected = objection(sound, data.sound, self._activity(data.sound))
        sound = None if objected else sound
        shown = (crop_resize(f, box, self.size) for f in iter_frames(file, FPS, candidate.start, frames))
        clip = Clip(candidate.clip, candidate.identity, candidate.split, candidate.relative, candidate.start, frames,
                    FPS, int(box[0]), int(box[1]), int(box[2]), sound is not None, digest, data.licence)
        return Cut(clip, shown, sound, objected)

    def _sound(self, info: MediaInfo, start: float, frames: int) -> np.ndarray | None:
        if not info.has_audio:
            return None
        try:
            sound = read_audio(info.path, start, frames / FPS)
        except MediaError:
            if self.dataset.require_audio:
                raise
            return None
        if not len(sound) and self.dataset.require_audio:
            raise MediaError("its sound ends before the clip begins")
        return sound if len(sound) else None

    def _box(self, info: MediaInfo, candidate: Candidate, frames: int) -> SQUARE:
        """The published window where there is one, and it must show a face; else what the detector finds."""
        window = candidate.window.at(info.height) if candidate.window else None
        if self.dataset.detector == "none":
            return window or centre_square(info.height, info.width)
        looks = min(LOOKS, frames)
        shown = iter_frames(info.path, looks / frames * FPS, candidate.start, looks)
        if window is None:
            return face_box([self._detector()(frame) for frame in shown], info.height, info.width, self.dataset.enlarge)
        face_box([self._detector()(crop_resize(frame, window, min(window[2], WORKING_SIDE))) for frame in shown],
                 window[2], window[2], self.dataset.enlarge)
        return window

    def _detector(self) -> Detector:
        if not hasattr(self._detectors, "own"):
            self._detectors.own = make_detector(self.dataset.detector, self.weights)
        return self._detectors.own

    def _activity(self, limits: SoundLimits) -> Activity:
        if not hasattr(self._detectors, "activity"):
            self._detectors.activity = make_activity(limits.vad, self.weights_dir)
        return self._detectors.activity

    def prepare_pair(self, pair: CandidatePair) -> list[Refusal]:
        """The video of a cross-identity truth; a shipped one is never refused."""
        video = self.out / "cross" / f"{pair.pair}.mkv"
        state = self.out / "state" / f"{pair.pair}.json"
        try:
            key = f"{self.size} {pair.frames} {file_sha256(pair.file)}"
            if video.is_file() and state.is_file() and state.read_text() == key:
                return []
            frames = iter_frames(pair.file, FPS, frames=pair.frames)
            write_lossless(video, (crop_resize(frame, None, self.size) for frame in frames), FPS)
        except (OSError, MediaError) as error:
            if isinstance(error, WriteError):
                raise
            raise DatasetError(f"{pair.file}: cannot be read; restore the shipped file with git ({error})") from error
        with replaced_when_complete(state) as partial:
            partial.write_text(key)
        return []


def count_reasons(refused: list[Refusal]) -> dict[str, int]:
    """How many files or clips were refused for which reason, numbers left out, most frequent first."""
    kinds = Counter(re.sub(r"-?\d+(\.\d+)?", "n", refusal.reason) for refusal in refused)
    return dict(kinds.most_common())


def face_box(found: list[list[Face]], height: int, width: int, enlarge: float) -> SQUARE:
    """The clip's crop from the faces of its sampled frames. Raises MediaError where no face is seen well enough."""
    faces = follow_largest(found)
    if not faces:
        raise MediaError(f"no face found in {len(found)} sampled frames")
    if len(faces) < MIN_LOOKS * len(found):
        raise MediaError(f"the face is found in only {len(faces)} of {len(found)} sampled frames")
    typical = float(np.median([face.side for face in faces]))
    if typical < SMALLEST_FACE:
        raise MediaError(f"the face is only {typical:.0f} px wide, {SMALLEST_FACE} are needed")
    return square_crop(faces, height, width, enlarge)


def _detector_weights(dataset: Dataset, weights_dir: Path | None) -> Path | None:
    if dataset.detector != "yunet" or not dataset.enabled:
        return None
    from semo.registry import locate

    named = dataset.weights or "yunet"
    return Path(named) if named.endswith(".onnx") else next(iter(locate(named, weights_dir).values()))


def check_unique(found: list[Candidate], dataset: Dataset) -> None:
    """Raise DatasetError where two clips have one name."""
    (clip, times), = Counter(candidate.clip for candidate in found).most_common(1) or [("", 1)]
    if times > 1:
        raise DatasetError(f"data set {dataset.id}: {times} clips are called {clip}")


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _parallel(jobs: Sequence[tuple[Callable, object]], threads: int) -> Iterator[Any]:
    """Results in the order of the jobs; the first error cancels what has not begun."""
    if threads < 2:
        yield from (call(argument) for call, argument in jobs)
        return
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(call, argument) for call, argument in jobs]
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def main(arguments: list[str] | None = None) -> None:
    """Command line of `python -m semo.clips`."""
    parser = argparse.ArgumentParser(prog="python -m semo.clips", description="Prepare the clips of a data set.")
    parser.add_argument("--dataset", required=True, help="entry of datasets.yaml")
    parser.add_argument("--frame-size", type=int, default=64, help="side of the prepared frames in pixels (64)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and their manifest")
    parser.add_argument("--datasets", type=Path, default=DATASETS_FILE, help="table of data sets")
    parser.add_argument("--path", help="folder of the data set; overrides its entry and enables it")
    parser.add_argument("--weights-dir", type=Path, help="mirror folder with networks, searched before downloading")
    parser.add_argument("--threads", type=int, default=1, help="clips prepared at once (1)")
    options = parser.parse_args(arguments)
    try:
        dataset = read_dataset(options.dataset, options.datasets, options.path)
        preparation = Preparation(dataset, options.frame_size, options.out, options.weights_dir)
        clips, pairs, refused = preparation.run(options.threads)
    except (DatasetError, MediaError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"error: {error.filename or options.out}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    if not dataset.enabled:
        print(f"{dataset.id} is not enabled in {options.datasets}: empty manifest")
        return
    counts = {split: sum(clip.split == split for clip in clips) for split in ("train", "test", "seen")}
    print(f"{dataset.id}: {len(clips)} clips ({', '.join(f'{n} {s}' for s, n in counts.items() if n)}), "
          f"{len(pairs)} cross pairs, {len(refused)} refused -> {options.out}")
    for refusal in refused[:20]:
        print(f"  refused {refusal.path}: {refusal.reason}")
    if len(refused) > 20:
        for reason, times in count_reasons(refused).items():
            print(f"  refused {times} times: {reason}")
