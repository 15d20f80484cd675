"""The lossy steps inside SyncNet's pipeline: it writes videos and pictures between its stages, and scores depend on it.

FFmpeg's encoders are called with what its command line and OpenCV's video writer choose by default, so that the same
frames give the same bytes. Everything goes through one temporary folder; one frame is held at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

FPS = 25
_LAMBDA = 118  # FFmpeg's quality of one step of -q:v
_DEFAULT_BIT_RATE = 200_000
_BICUBIC = av.video.reformatter.Interpolation.BICUBIC


def _frame(picture: np.ndarray | av.VideoFrame) -> av.VideoFrame:
    if isinstance(picture, av.VideoFrame):
        return picture
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


class Mpeg4Writer:
    """`ffmpeg -q:v 2 -r 25 video.avi`: MPEG-4 part 2 at a fixed quality."""

    def __init__(self, path: Path, width: int, height: int):
        self.container = av.open(str(path), "w", format="avi")
        self.stream = self.container.add_stream("mpeg4", rate=FPS)
        self.stream.options = {"flags": "+qscale", "global_quality": str(2 * _LAMBDA)}
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        self.stream.codec_context.thread_count = 1  # bytes must not depend on the machine
        self.count = 0

    def write(self, frame: np.ndarray | av.VideoFrame) -> None:
        """uint8 (H, W, 3) RGB, or a decoded frame."""
        picture = _frame(frame).reformat(format="yuv420p", interpolation=_BICUBIC, threads=1)
        picture.pts, picture.time_base = self.count, Fraction(1, FPS)
        self.count += 1
        self.container.mux(self.stream.encode(picture))

    def close(self) -> None:
        self.container.mux(self.stream.encode())
        self.container.close()


class XvidWriter:
    """OpenCV's video writer with the code XVID, as the pipeline writes its crops. Takes uint8 (224, 224, 3) BGR."""

    def __init__(self, path: Path):
        self.writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"XVID"), FPS, (224, 224))
        if not self.writer.isOpened():
            raise RuntimeError("this build of OpenCV writes no XVID video: install its wheel from the package index")

    def write(self, frame: np.ndarray) -> None:
        self.writer.write(frame)

    def close(self) -> None:
        self.writer.release()


class Jpeg:
    """FFmpeg's pictures of a video: `-q:v 2` with `quality=2`; its default, 200 kbit/s over the whole clip, without.

    The default steers by what earlier frames took, so a frame's picture depends on the frames before it.
    """

    def __init__(self, width: int, height: int, quality: int | None = None):
        self.codec = av.CodecContext.create("mjpeg", "w")
        self.codec.width, self.codec.height, self.codec.pix_fmt = width, height, "yuvj420p"
        self.codec.time_base, self.codec.framerate = Fraction(1, FPS), Fraction(FPS)
        self.codec.sample_aspect_ratio = Fraction(1)  # adds a header, whose size counts in the bit rate
        self.codec.thread_count = 1
        if quality is None:
            self.codec.bit_rate = _DEFAULT_BIT_RATE
        else:
            self.codec.options = {"flags": "+qscale", "global_quality": str(quality * _LAMBDA)}
        self.count = 0

    def __call__(self, picture: np.ndarray | av.VideoFrame) -> np.ndarray:
        """uint8 (H, W, 3) RGB, or a decoded frame -> what is read back: uint8 (H, W, 3) BGR."""
        source = None if isinstance(picture, np.ndarray) else "MPEG"
        picture = _frame(picture).reformat(
            format="yuvj420p", src_color_range=source, dst_color_range="JPEG", interpolation=_BICUBIC, threads=1
        )
        picture.pts, picture.time_base = self.count, Fraction(1, FPS)
        self.count += 1
        data = b"".join(bytes(packet) for packet in self.codec.encode(picture))
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None  # the encoder has just written it
        return image


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    """The frames of a file written above."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        yield from container.decode(video=0)


def pictures(frames: Iterable[av.VideoFrame], quality: int | None = None) -> Iterator[np.ndarray]:
    """Decoded frames of one size -> their JPEG pictures, read back: uint8 (H, W, 3) BGR."""
    jpeg = None
    for frame in frames:
        jpeg = jpeg or Jpeg(frame.width, frame.height, quality)
        yield jpeg(frame)
