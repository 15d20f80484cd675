"""Small synthetic videos for the tests of the media readers."""

import hashlib
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


def write_corpus(folder: Path, people: int = 3, clips: int = 2, frames: int = 10, size: int = 48) -> None:
    """A tiny corpus in the layout of data/portraits-mini: subsets street and studio, one test person each, one pair."""
    from semo.media import write_preview

    rows, pairs = [], []
    for subset in ("street", "studio"):
        (folder / subset).mkdir(parents=True)
        for person in range(people):
            for k in range(clips):
                clip = f"{subset}-p{person}-c{k}"
                path = f"{subset}/{clip}.mp4"
                picture = np.zeros((frames, size, size, 3), np.uint8)
                picture[..., person % 3] = 60 + 8 * np.arange(frames, dtype=np.uint8)[:, None, None]
                write_preview(folder / path, picture, audio=click(frames / 25, 0.1))
                np.savez(folder / f"{subset}/{clip}.npz", landmarks=np.zeros((frames, 68, 2), np.float16))
                split = "test" if person == 0 else "seen" if k and person == 1 else "train"
                rows.append((clip, subset, f"p{person}", split, path, frames, size, 1, sha256(folder / path), ""))
        (folder / "cross").mkdir(exist_ok=True)
        pair = f"{subset}-p0-c0-by-p0-c1"
        (folder / f"cross/{pair}.mp4").write_bytes((folder / f"{subset}/{subset}-p0-c1.mp4").read_bytes())
        pairs.append((pair, subset, f"{subset}-p0-c0", f"{subset}-p0-c1", f"cross/{pair}.mp4", frames))
    write_tsv(folder / "corpus.tsv", "clip subset identity split path frames size has_audio sha256 motion_of", rows)
    write_tsv(folder / "cross.tsv", "pair subset source_clip driving_clip path frames", pairs)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_tsv(path: Path, columns: str, rows: list[tuple]) -> None:
    lines = ["\t".join(columns.split()), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def astronaut_video(path: Path, frames: int = 12, audio: bool = True, shift: int = 2) -> None:
    """A photographed face (public domain, NASA) that moves `shift` pixels a frame to the right."""
    from semo.media import write_preview

    picture = astronaut()
    moved = (picture[:300, 100 - shift * i:400 - shift * i] for i in range(frames))
    write_preview(path, moved, audio=click(frames / 25, 0.1) if audio else None)


def astronaut() -> np.ndarray:
    """uint8 (512, 512, 3) with one face of about 100 pixels around (223, 115)."""
    from skimage import data

    return data.astronaut()
