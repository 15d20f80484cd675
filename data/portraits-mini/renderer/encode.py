"""Writing of clips: H.264 + AAC through PyAV, and npz files whose bytes depend on their contents alone."""
from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from speech import SAMPLE_RATE
from visemes import FPS

_DATE = (1980, 1, 1, 0, 0, 0)
AUDIO_BIT_RATE = 40_000


def _video_stream(container, size: int, crf: float):
    stream = container.add_stream("libx264", rate=FPS)
    stream.width = stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.options = {"crf": str(crf), "preset": "slow", "threads": "1"}
    context = stream.codec_context
    context.thread_count = 1
    context.color_range, context.colorspace = 1, 1                  # limited range, BT.709
    context.color_primaries, context.color_trc = 1, 1
    return stream


def _to_yuv(image: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG")
    frame.colorspace, frame.color_range = 1, 1
    return frame


def _write_audio(container, stream, wave: np.ndarray) -> None:
    samples = np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE,
                                  frame_size=stream.codec_context.frame_size or 1024)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def write_video(path: Path, images: Iterable[np.ndarray], size: int, crf: float, wave: np.ndarray | None) -> None:
    """Write RGB frames uint8 (size,size,3) at 25 fps, and mono float32 speech at 16 kHz where given, to an mp4.

    The file has its name only once it is complete.
    """
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        video = _video_stream(container, size, crf)
        audio = None
        if wave is not None:
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            audio.bit_rate = AUDIO_BIT_RATE
        for number, image in enumerate(images):
            frame = _to_yuv(image)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            _write_audio(container, audio, wave)
    os.replace(part, path)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Compressed npz with a fixed date, so that equal arrays give an equal file; named once complete."""
    part = path.with_suffix(".npz.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy", _DATE), buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)
    os.replace(part, path)
