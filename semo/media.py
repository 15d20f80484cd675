"""The only reader and writer of video, audio and pictures.

Frames are `uint8 (T, H, W, 3)` RGB outside networks and float `[0, 1]` `(..., 3, H, W)` inside; audio is float32 mono
16 kHz in [-1, 1]. Time 0 of a file is its first displayed video frame, for the sound as well, so that edit lists, start
offsets and encoder delay keep lips and speech together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from semo.errors import MediaError
from semo.pictures import crop_resize, read_image, to_float, to_uint8
from semo.video_writer import write_lossless, write_preview

__all__ = ["FPS", "RATE", "MediaError", "MediaInfo", "crop_resize", "iter_frames", "probe", "read_audio", "read_frames",
           "read_image", "to_float", "to_uint8", "write_lossless", "write_preview"]

FPS = 25.0
RATE = 16000
LONGEST_GAP = 60.0  # seconds without a new frame; more is a damaged timestamp
SEEK_MARGIN = 5.0   # seconds: starts closer to 0 than this are reached by decoding
_INTERPOLATION = av.video.reformatter.Interpolation.BICUBIC | av.video.reformatter.Interpolation.ACCURATE_RND \
    | av.video.reformatter.Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class MediaInfo:
    """What a video file holds: size in displayed pixels, its own mean fps and frame count, duration in seconds."""

    path: Path
    width: int
    height: int
    fps: float
    frames: int
    duration: float
    has_audio: bool
    variable_frame_rate: bool

    def frames_at(self, fps: float = FPS, start: float = 0.0) -> int:
        """Number of frames `iter_frames(path, fps, start)` yields."""
        return _resampled_count(self.duration, fps, start)


@dataclass(frozen=True)
class _Index:
    """Timing of the video stream from its packets alone; seconds on the file's own clock."""

    first: float
    duration: float
    frames: int
    deltas: np.ndarray


def _resampled_count(duration: float, fps: float, start: float) -> int:
    left = duration - start
    return max(1, math.floor(left * fps + 0.5 + 1e-6)) if left > 0 else 0


@contextmanager
def _open(path: str | Path) -> Iterator[av.container.InputContainer]:
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes)")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: not a readable media file, damaged or truncated ({_reason(error)})") from error
    with container:
        try:
            yield container
        except av.error.FFmpegError as error:
            raise MediaError(f"{path}: damaged or truncated, decoding failed ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def _video_stream(container: av.container.InputContainer, path: str | Path) -> av.video.stream.VideoStream:
    pictures = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC: the cover of a sound file is no video
    streams = [s for s in container.streams.video if not int(s.disposition) & pictures and s.codec_context]
    if not streams:
        raise MediaError(f"{path}: has no video stream")
    streams[0].codec_context.thread_count = 1  # jobs claim their threads; clips are the unit of parallel work
    return streams[0]


def _index(container: av.container.InputContainer, stream: av.video.stream.VideoStream, path: str | Path) -> _Index:
    base = float(stream.time_base)
    stamps, end = [], -math.inf
    for packet in container.demux([stream, *container.streams.audio[:1]]):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or packet.is_discard or stamp is None:
            continue
        end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index == stream.index:
            stamps.append((stamp, packet.duration or 0))
    if not stamps:
        raise MediaError(f"{path}: its video stream holds no frames")
    stamps.sort()
    times = np.array([stamp for stamp, _ in stamps], dtype=np.float64) * base
    deltas = np.diff(times)
    if len(deltas) and deltas.max() > LONGEST_GAP:
        raise MediaError(f"{path}: its timestamps jump by {deltas.max():.0f} s, the file is damaged")
    # Writers of variable frame rate often give the last frame one tick: show it as long as a typical one.
    typical = float(np.median(deltas)) if len(deltas) else 1.0 / float(stream.average_rate or FPS)
    step = max(stamps[-1][1] * base, typical)
    index = _Index(float(times[0]), float(times[-1] - times[0]) + step, len(times), deltas)
    _check_complete(path, index.duration, float((stream.duration or 0) * stream.time_base))
    _check_complete(path, end - (container.start_time or 0) / av.time_base, (container.duration or 0) / av.time_base)
    return index


def _index_of(path: str | Path) -> _Index:
    """`_index` of a file, read once for the many clips that are cut from it. Raises MediaError."""
    path = Path(path)
    state = path.stat() if path.is_file() else None
    return _index_of_state(path, state.st_size, state.st_mtime_ns) if state else _index_of_state(path, -1, -1)


@lru_cache(maxsize=64)
def _index_of_state(path: Path, size: int, modified: int) -> _Index:
    with _open(path) as container:
        return _index(container, _video_stream(container, path), path)


def _check_complete(path: str | Path, found: float, declared: float) -> None:
    if declared - found > max(0.5, 0.02 * declared):
        raise MediaError(f"{path}: truncated, it holds {max(0.0, found):.1f} s of the {declared:.1f} s its header "
                         "announces")


def _display_size(stream: av.video.stream.VideoStream) -> tuple[int, int]:
    """Width and height in square pixels, before rotation."""
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = stream.codec_context.width, stream.codec_context.height
    return (round(width * ratio) if 0.2 < ratio < 5 else width), height


def probe(path: str | Path) -> MediaInfo:
    """Read a video file's facts from its packets and first frame. Raises MediaError."""
    index = _index_of(path)
    with _open(path) as container:
        stream = _video_stream(container, path)
        has_audio, tick = bool(container.streams.audio), float(stream.time_base)
        first = next(container.decode(stream), None)
        if first is None:
            raise MediaError(f"{path}: none of its video frames can be decoded")
        width, height = _display_size(stream)
        if first.rotation % 180:
            width, height = height, width
    typical = float(np.median(index.deltas)) if len(index.deltas) else index.duration
    spread = float(np.abs(index.deltas - typical).max()) if len(index.deltas) else 0.0
    return MediaInfo(Path(path), width, height, index.frames / index.duration, index.frames, index.duration, has_audio,
                     spread > max(0.2 * typical, 2 * tick))


def _pixels(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    rgb = frame.reformat(width=size[0], height=size[1], format="rgb24", interpolation=_INTERPOLATION, threads=1)
    array = rgb.to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(array, turns)) if turns else array


def _timed_frames(container: av.container.InputContainer, stream: av.video.stream.VideoStream, first: float,
                  start: float) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decoded frames with strictly increasing times (seconds from the first frame), from at or before `start`."""
    decoded = container.decode(stream)
    if start > SEEK_MARGIN:
        container.seek(int((first + start - 1.0) * av.time_base), backward=True)
        decoded = container.decode(stream)
        head = next(decoded, None)
        if head is None or head.time is None or head.time - first > start:  # an index that points past the target
            container.seek(0, backward=True)
            decoded = container.decode(stream)
        else:
            decoded = itertools.chain([head], decoded)
    last, step = -math.inf, 1.0 / float(stream.average_rate or FPS)
    for frame in decoded:
        time = frame.time - first if frame.time is not None else max(last, 0.0) + step
        if time > last:
            last = time
            yield time, frame


def iter_frames(path: str | Path, fps: float = FPS, start: float = 0.0,
                frames: int | None = None) -> Iterator[np.ndarray]:
    """Yield uint8 (H, W, 3) RGB frames at times `start + i / fps`, each the source frame nearest in time.

    Ends with the video or after `frames` frames. Memory does not grow with the length. Rotation marks and pixel aspect
    are applied. Raises MediaError for a missing, damaged or truncated file or one without video.
    """
    index = _index_of(path)
    wanted = _resampled_count(index.duration, fps, start)
    wanted = wanted if frames is None else min(wanted, frames)
    if wanted == 0:
        return
    with _open(path) as container:
        stream = _video_stream(container, path)
        size = _display_size(stream)
        done, previous, previous_time = 0, None, -math.inf
        for time, frame in _timed_frames(container, stream, index.first, start):
            if previous is not None and start + done / fps <= (previous_time + time) / 2 + 1e-6:
                pixels = _pixels(previous, size)
                while done < wanted and start + done / fps <= (previous_time + time) / 2 + 1e-6:
                    yield pixels
                    done += 1
            previous, previous_time = frame, time
            if done >= wanted:
                return
        if previous is None or index.duration - previous_time > 0.5 + 2 * index.duration / index.frames:
            raise MediaError(f"{path}: decodes only up to {max(0.0, previous_time):.1f} s of {index.duration:.1f} s: "
                             "damaged or truncated")
        pixels = _pixels(previous, size)
        for _ in range(wanted - done):
            yield pixels


def read_frames(path: str | Path, fps: float = FPS, start: float = 0.0, frames: int | None = None) -> np.ndarray:
    """All of `iter_frames` as uint8 (T, H, W, 3). Raises MediaError if nothing lies at or after `start`."""
    found = list(iter_frames(path, fps, start, frames))
    if not found:
        raise MediaError(f"{path}: has no frame at or after {start:.2f} s")
    return np.stack(found)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """float32 (n,): the mean of the channels, full scale 1."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, len(frame.layout.channels)).T
    if array.dtype == np.uint8:
        array = (array.astype(np.float32) - 128.0) / 128.0
    elif array.dtype.kind == "i":
        array = array.astype(np.float32) / float(-np.iinfo(array.dtype).min)
    return array.astype(np.float32).mean(axis=0)


def _native_audio(container: av.container.InputContainer, zero: float, start: float,
                  duration: float | None, path: str | Path) -> Iterator[tuple[np.ndarray, int]]:
    """Pieces (samples, rate) of the gapless native-rate signal from `zero + start` on."""
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    rate, position = 0, 0
    for frame in container.decode(stream):
        if not rate:
            rate = frame.sample_rate
            end = math.inf if duration is None else round(duration * rate)
        elif frame.sample_rate != rate:
            raise MediaError(f"{path}: its sound changes sample rate on the way; convert it to one rate")
        samples = _mono(frame)
        here = position if frame.time is None else round((frame.time - zero - start) * rate)
        if abs(here - position) <= 0.02 * rate and position > 0:
            here = position  # rounded timestamps of some containers are no gaps
        if here > position:
            yield np.zeros(int(min(here, end) - position), np.float32), rate
            position = int(min(here, end))
        samples = samples[max(0, position - here):]
        samples = samples[:int(min(len(samples), end - position))] if end != math.inf else samples
        if len(samples):
            yield samples, rate
            position += len(samples)
        if position >= end:
            return


def read_audio(path: str | Path, start: float = 0.0, duration: float | None = None, rate: int = RATE) -> np.ndarray:
    """Mono float32 (n,) in [-1, 1] at `rate` Hz from `start` seconds on; the file's channels are averaged.

    n is at most `duration * rate`; fewer if the sound ends. A late start of the sound and holes in it become silence.
    Raises MediaError if there is no audio stream or no sample can be decoded.
    """
    with _open(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path}: has no audio stream")
        zero = 0.0
        if any(not int(s.disposition) & (1 << 10) for s in container.streams.video):
            zero = _index_of(path).first
    with _open(path) as container:
        pieces, resampler, native = [], None, 0
        for samples, native in _native_audio(container, zero, start, duration, path):
            if native != rate:
                resampler = resampler or av.AudioResampler(format="flt", layout="mono", rate=rate)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
                frame.sample_rate = native
                pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            else:
                pieces.append(samples)
        if resampler is not None:
            pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    audio = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not len(audio) and not native:
        raise MediaError(f"{path}: its audio stream holds no samples" + (f" after {start:.2f} s" if start else ""))
    if duration is not None:
        audio = audio[:round(duration * rate)]
    return np.clip(audio, -1.0, 1.0).astype(np.float32)
