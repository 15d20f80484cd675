"""Small synthetic videos for the tests of the media readers."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def numbered_frames(count: int, size: int = 32) -> np.ndarray:
    """uint8 (count, size, size, 3); frame i is uniformly grey with value 2 i, so a decoded frame tells its index."""
    return np.broadcast_to((2 * np.arange(count, dtype=np.uint8))[:, None, None, None], (count, size, size, 3)).copy()


def frame_numbers(frames: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / 2) for frame in frames]


def write_stamped(path: Path, frames: np.ndarray, times: list[float], audio: np.ndarray | None = None,
                  audio_start: float = 0.0, codec: str = "ffv1", options: dict[str, str] | None = None,
                  aspect: Fraction | None = None) -> None:
    """Write frames at the given times (seconds, ms precision), with 16 kHz sound that starts at `audio_start`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(1000), options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        speaker = None
        if audio is not None:
            speaker = container.add_stream("pcm_s16le" if codec == "ffv1" else "aac", rate=16000, layout="mono")
        for array, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=stream.pix_fmt)
            picture.pts, picture.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if speaker:
            samples = (audio * 32767).astype(np.int16)[None] if codec == "ffv1" else audio.astype(np.float32)[None]
            for position in range(0, samples.shape[1], 1024):
                piece = np.ascontiguousarray(samples[:, position:position + 1024])
                block = av.AudioFrame.from_ndarray(piece, format="s16" if codec == "ffv1" else "fltp", layout="mono")
                block.sample_rate, block.time_base = 16000, Fraction(1, 16000)
                block.pts = position + round(audio_start * 16000)
                container.mux(speaker.encode(block))
            container.mux(speaker.encode(None))


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """samples: float (n,) or (channels, n) -> 16-bit PCM WAV."""
    samples = np.atleast_2d(samples)
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").T.tobytes()
    channels = samples.shape[0]
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") + channels.to_bytes(2, "little") + rate.to_bytes(4, "little")
    head += (rate * channels * 2).to_bytes(4, "little") + (channels * 2).to_bytes(2, "little")
    head += (16).to_bytes(2, "little") + b"data" + len(data).to_bytes(4, "little")
    path.write_bytes(head + data)


def click(seconds: float, at: float, rate: int = 16000) -> np.ndarray:
    """Silence with a 20 ms tone burst at `at` seconds."""
    audio = np.zeros(round(seconds * rate), np.float32)
    start, length = round(at * rate), round(0.02 * rate)
    audio[start:start + length] = 0.8 * np.sin(np.arange(length) * 2 * np.pi * 1000 / rate)
    return audio


def onset(audio: np.ndarray, rate: int = 16000) -> float:
    """Time in seconds of the first loud sample."""
    return int(np.argmax(np.abs(audio) > 0.2)) / rate
