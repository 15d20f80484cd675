"""One clip through SyncNet: the full pipeline over face tracks, and the wrapper for clips that are crops already.

Memory does not grow with the clip beyond face boxes and embeddings: the full pipeline keeps the frames where upstream
does, in the video file it writes first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from semo.errors import MediaError
from semo.features.base import Features, Session
from semo.features.lipsync.detect import FaceFinder, batch_of
from semo.features.lipsync.distances import SHIFT, shift_distances
from semo.features.lipsync.embed import Embedder, LipStream
from semo.features.lipsync.reencode import Jpeg, Mpeg4Writer, XvidWriter, decoded, pictures
from semo.features.lipsync.scenes import SceneCuts
from semo.features.lipsync.tracks import SIDE, Track, crop, tracks
from semo.features.mfcc import to_int16

SAMPLES_PER_FRAME = 640
MIN_TRACK = 50  # the shortest track any variant counts must have more detections than this
MIN_FACE = 100  # pixels
NO_SOUND, SILENT, AUDIBLE = range(3)


def _samples(waveform: np.ndarray | None) -> tuple[np.ndarray, int]:
    """The clip's int16 samples and whether there is anything to hear. Raises MediaError for NaN."""
    if waveform is None or not len(waveform):
        return np.zeros(0, np.int16), NO_SOUND
    if not np.isfinite(waveform).all():
        raise MediaError("the sound holds NaN or infinite samples: repair the recording")
    samples = to_int16(waveform)
    return samples, AUDIBLE if samples.any() else SILENT


def _distances(embedder: Embedder, lips: LipStream, samples: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Mean distance per shift (31,) over the windows of one face, None without a window; and their number."""
    embedded = lips.finish()
    windows = min(lips.count, len(samples) // SAMPLES_PER_FRAME) - 5  # upstream leaves the last window out
    if windows < 1:
        return None, 0
    return shift_distances(embedded[:windows], embedder.speech(samples, windows)), windows


def _features(rows: list[tuple[np.ndarray | None, int, int]], **facts: float) -> Features:
    """Rows (distances, windows, detections) of faces and facts about the clip -> named arrays."""
    rows = [row for row in rows if row[0] is not None]
    return {
        "distances": np.array([row[0] for row in rows], np.float32).reshape(-1, 2 * SHIFT + 1),
        "windows": np.array([row[1] for row in rows], np.int32),
        "detections": np.array([row[2] for row in rows], np.int32),
        **{name: np.array([value], np.float32) for name, value in facts.items()},
    }


class WholeFrameSession(Session):
    """Every frame is squeezed to 224 x 224 and taken for a face."""

    def __init__(self, embedder: Embedder):
        self.embedder, self.lips = embedder, LipStream(embedder)
        self.jpeg: Jpeg | None = None

    def add(self, frames: np.ndarray) -> None:
        self.jpeg = self.jpeg or Jpeg(frames.shape[2], frames.shape[1])
        for frame in frames:
            self.lips.add(cv2.resize(self.jpeg(frame), (SIDE, SIDE)))

    def finish(self, waveform: np.ndarray | None) -> Features:
        samples, sound = _samples(waveform)
        frames = self.lips.count
        found = _distances(self.embedder, self.lips, samples) if sound == AUDIBLE else (None, 0)
        return _features([(*found, frames)], frames=frames, sound=sound)


class TrackedSession(Session):
    """Faces are found, followed and cropped."""

    def __init__(self, embedder: Embedder, finder: FaceFinder):
        self.embedder, self.finder = embedder, finder
        self.folder = tempfile.TemporaryDirectory(prefix="semo-syncnet-")
        self.path = Path(self.folder.name)
        self.video: Mpeg4Writer | None = None

    def add(self, frames: np.ndarray) -> None:
        self.video = self.video or Mpeg4Writer(self.path / "video.avi", frames.shape[2], frames.shape[1])
        for frame in frames:
            self.video.write(frame)

    def finish(self, waveform: np.ndarray | None) -> Features:
        try:
            frames = self.video.count if self.video else 0
            if self.video:
                self.video.close()
            samples, sound = _samples(waveform)
            if not frames or sound != AUDIBLE:
                return _features([], frames=frames, sound=sound, faces=0, longest=0, largest=0)
            found, scenes = self._detect()
            every = [track for start, end in scenes for track in tracks(found[start:end], start)]
            long = [track for track in every if track.detections > MIN_TRACK]
            kept = [track for track in long if track.size > MIN_FACE]
            self._write_crops(kept)
            rows = [(*self._track_distances(k, track, samples), track.detections) for k, track in enumerate(kept)]
            return _features(
                rows,
                frames=frames,
                sound=sound,
                faces=sum(len(boxes) > 0 for boxes in found),
                longest=max((track.detections for track in every), default=0),
                largest=max((track.size for track in long), default=0),
            )
        finally:
            self.folder.cleanup()

    def _detect(self) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
        """Faces of every frame, and the scenes of the clip."""
        cuts, jpeg, found, images = SceneCuts(), None, [], []
        for frame in decoded(self.path / "video.avi"):
            cuts.add(frame.to_ndarray(format="bgr24"))
            jpeg = jpeg or Jpeg(frame.width, frame.height, quality=2)
            images.append(jpeg(frame))
            if len(images) == batch_of(frame.height, frame.width):
                found += self.finder(images)
                images = []
        return found + (self.finder(images) if images else []), cuts.scenes()

    def _write_crops(self, kept: list[Track]) -> None:
        """One video per track, in one pass over the frames."""
        if not kept:
            return
        squares = [track.squares() for track in kept]
        writers = [XvidWriter(self.path / f"{k}.avi") for k in range(len(kept))]
        for number, image in enumerate(pictures(decoded(self.path / "video.avi"), quality=2)):
            for track, square, writer in zip(kept, squares, writers, strict=True):
                if 0 <= number - track.first < len(square):
                    writer.write(crop(image, square[number - track.first]))
        for writer in writers:
            writer.close()

    def _track_distances(self, k: int, track: Track, samples: np.ndarray) -> tuple[np.ndarray | None, int]:
        lips = LipStream(self.embedder)
        for image in pictures(decoded(self.path / f"{k}.avi")):
            lips.add(image)
        start, end = track.first * SAMPLES_PER_FRAME, (track.first + len(track.boxes)) * SAMPLES_PER_FRAME
        return _distances(self.embedder, lips, samples[start:end])
