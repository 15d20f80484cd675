"""Writing video files: lossless ones for measuring, H.264 ones for people. Nothing half-written is left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from semo.errors import MediaError, WriteError

FPS = 25.0
RATE = 16000


@contextmanager
def replaced_when_complete(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    A full disk and other failures of the file system become a WriteError of one sentence.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise WriteError(_write_failure(path, error)) from error
    except av.error.FFmpegError as error:
        raise WriteError(_write_failure(path, error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_failure(path: Path, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full; nothing was written, free some space and run again"
    if number == errno.EFBIG:
        return f"{path}: the file would exceed the size limit of this system; nothing was written"
    return f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})"


def write_lossless(path: str | Path, frames: Iterable[np.ndarray], fps: float = FPS,
                   audio: np.ndarray | None = None) -> None:
    """Write uint8 (H, W, 3) RGB frames bit-exactly as FFV1 in Matroska, with optional mono 16 kHz sound as 16-bit PCM.

    The sound is cut or padded with silence to the length of the video. Equal input gives equal bytes. Raises MediaError
    for unusable frames and WriteError for a failing disk; the file appears only when complete.
    """
    _write(path, frames, fps, audio, "matroska", ("ffv1", "bgr0", {"level": "3", "slices": "4", "slicecrc": "1"}),
           ("pcm_s16le", "s16"))


def write_preview(path: str | Path, frames: Iterable[np.ndarray], fps: float = FPS,
                  audio: np.ndarray | None = None, preset: str = "medium") -> None:
    """Write frames as H.264 (yuv420p, BT.709) with AAC sound for viewing; odd sizes gain one repeated row or column.

    `preset`: of x264; a faster one takes less processor time for a larger file of the same quality.
    """
    _write(path, frames, fps, audio, "mp4", ("libx264", "yuv420p", {"crf": "17", "preset": preset}), ("aac", "fltp"))


def _write(path: str | Path, frames: Iterable[np.ndarray], fps: float, audio: np.ndarray | None, container_format: str,
           video: tuple[str, str, dict[str, str]], sound: tuple[str, str]) -> None:
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: there is no frame to write")
    _check_frame(path, first, first.shape)
    rate = Fraction(fps).limit_denominator(1001)
    with replaced_when_complete(path) as partial:
        # Fixed stream ids and no encoder stamp: the same pictures make the same bytes.
        with av.open(str(partial), "w", format=container_format, options={"fflags": "+bitexact"}) as container:
            stream = _video_stream(container, first, rate, video)
            speaker = _Speaker(container, audio, rate, sound) if audio is not None else None
            count = 0
            for frame in _chain(first, frames):
                _check_frame(path, frame, first.shape)
                picture = _picture(frame, stream.pix_fmt)
                picture.pts, picture.time_base = count, 1 / rate
                container.mux(stream.encode(picture))
                count += 1
                if speaker:
                    speaker.write_until(count)
            container.mux(stream.encode(None))
            if speaker:
                speaker.finish()


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _check_frame(path: str | Path, frame: np.ndarray, shape: tuple[int, ...]) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != shape:
        raise MediaError(f"{path}: frames must be uint8 (H, W, 3) of one size, got {frame.dtype} {frame.shape} "
                         f"after {shape}")


def _video_stream(container: av.container.OutputContainer, frame: np.ndarray, rate: Fraction,
                  video: tuple[str, str, dict[str, str]]) -> av.video.stream.VideoStream:
    codec, pixel_format, options = video
    stream = container.add_stream(codec, rate=rate, options=options)
    even = 2 if pixel_format == "yuv420p" else 1
    stream.height, stream.width = (-(-side // even) * even for side in frame.shape[:2])
    stream.pix_fmt = pixel_format
    stream.codec_context.thread_count = 1
    if pixel_format == "yuv420p":
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
    return stream


def _picture(frame: np.ndarray, pixel_format: str) -> av.VideoFrame:
    if pixel_format != "yuv420p":
        return av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixel_format, threads=1)
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return picture.reformat(format=pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG", threads=1)


class _Speaker:
    """Feeds the sound frame by frame, so that the muxer never holds more than it needs to interleave."""

    def __init__(self, container: av.container.OutputContainer, audio: np.ndarray, rate: Fraction,
                 sound: tuple[str, str]):
        codec, self.sample_format = sound
        self.container, self.rate, self.position = container, rate, 0
        self.audio = np.asarray(audio, dtype=np.float32)
        if self.audio.ndim != 1:
            raise MediaError(f"sound must be mono float32 (n,), got {self.audio.shape}")
        self.stream = container.add_stream(codec, rate=RATE, layout="mono")
        if codec == "aac":
            self.stream.codec_context.bit_rate = 96_000
            self.stream.codec_context.thread_count = 1

    def write_until(self, frames: int) -> None:
        end = round(frames / self.rate * RATE)
        piece = self.audio[self.position:end]
        piece = np.pad(piece, (0, end - self.position - len(piece)))
        if self.sample_format == "s16":
            piece = np.clip(np.round(piece * 32768.0), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format=self.sample_format, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.position, Fraction(1, RATE)
        self.container.mux(self.stream.encode(frame))
        self.position = end

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))
