"""SeMo as a user calls it: reconstruct a video from one frame and motion, or make a portrait talk.

A model folder is complete: `pipeline.json`, `codec/`, `motion_encoder/`, `decoder/` and, after stage 2,
`motion_generator/` with the statistics of the motions in `motion_stats.safetensors`.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from semo.audio import make_audio_encoder
from semo.codec import Codec, load_codec, save_codec
from semo.flow import Flow
from semo.media import crop_resize, to_float, to_uint8
from semo.model import Decoder, MotionEncoder, MotionGenerator
from semo.model.motion_encoder import random_keep

RELEASED = Path(__file__).parent / "weights" / "semo-mini"


def released() -> Path:
    """The folder of the released weights, SeMo-mini; FileNotFoundError where this copy ships without them."""
    if not (RELEASED / "pipeline.json").exists():
        raise FileNotFoundError(
            "this copy of semo ships no released weights; run `make reproduce` and pass --model results/train/semo/..."
        )
    return RELEASED


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """What a model folder records beside its networks; `training` is provenance per stage."""

    frame_size: int
    flow: Flow
    motion_flow: Flow = Flow()
    sampler_steps: int = 25
    motion_sampler_steps: int = 25
    video_frames: int = 1
    audio: str | None = None
    audio_path: str | None = None
    training: dict = dataclasses.field(default_factory=dict)


def _noise(seed: int, shape: tuple[int, ...], stream: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed((seed * 2 + stream) % (1 << 63))
    return torch.randn(shape, generator=generator)


class SeMoPipeline:
    """Motion encoder, decoder and, if trained, motion generator behind two verbs.

    Frames are uint8 (H, W, 3) RGB of any square size and are resized to `frame_size`; sound is float32 mono 16 kHz.
    """

    def __init__(
        self,
        config: PipelineConfig,
        codec: Codec,
        motion_encoder: MotionEncoder,
        decoder: Decoder,
        motion_generator: MotionGenerator | None = None,
        motion_stats: tuple[Tensor, Tensor] | None = None,
    ):
        self.config, self.codec = config, codec
        self.motion_encoder, self.decoder, self.motion_generator = motion_encoder, decoder, motion_generator
        self.motion_stats = motion_stats
        self.device, self.dtype = torch.device("cpu"), torch.float32

    @property
    def frame_size(self) -> int:
        """Side of the generated frames in pixels."""
        return self.config.frame_size

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, device: str = "cpu", dtype: torch.dtype | None = None
    ) -> SeMoPipeline:
        """Loads a model folder; FileNotFoundError or ValueError say in one sentence what is wrong with it."""
        folder = Path(folder)
        if not (folder / "pipeline.json").is_file():
            raise FileNotFoundError(f"{folder} is not a SeMo model folder: it has no pipeline.json")
        data = json.loads((folder / "pipeline.json").read_text())
        data |= {name: Flow(**data[name]) for name in ("flow", "motion_flow")}
        generator, stats = None, None
        try:
            encoder = _load(MotionEncoder, folder / "motion_encoder")
            decoder = _load(Decoder, folder / "decoder")
            if (folder / "motion_generator").is_dir():
                generator = _load(MotionGenerator, folder / "motion_generator")
                tensors = load_file(folder / "motion_stats.safetensors")
                stats = (tensors["mean"].float(), tensors["std"].float())
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{folder} cannot be loaded: weights and configuration disagree ({reason})") from error
        pipeline = cls(PipelineConfig(**data), load_codec(folder / "codec"), encoder, decoder, generator, stats)
        return pipeline.to(device, dtype)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes a model folder under a temporary name and renames it; `dtype` float16 halves its size."""
        folder = Path(folder)
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        save_codec(self.codec, partial / "codec")
        networks = {"motion_encoder": self.motion_encoder, "decoder": self.decoder}
        if self.motion_generator is not None:
            networks["motion_generator"] = self.motion_generator
            mean, std = self.motion_stats
            save_file({"mean": mean.contiguous(), "std": std.contiguous()}, partial / "motion_stats.safetensors")
        for name, network in networks.items():
            network = network if dtype is None else torch.nn.Module.to(copy.deepcopy(network), dtype)
            network.register_to_config(_name_or_path="")  # where the weights came from is a path of this machine
            network.save_pretrained(partial / name, safe_serialization=True)
        config = dataclasses.asdict(self.config)
        (partial / "pipeline.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)

    def to(self, device: str, dtype: torch.dtype | None = None) -> SeMoPipeline:
        """Moves every network; `dtype` None keeps float32."""
        self.device, self.dtype = torch.device(device), dtype or torch.float32
        self.codec.to(self.device).eval()
        for network in (self.motion_encoder, self.decoder, self.motion_generator):
            if network is not None:
                torch.nn.Module.to(network, self.device, self.dtype).eval()
        return self

    def latents(self, frames: np.ndarray) -> Tensor:
        """uint8 frames (T, H, W, 3) -> latents (T, c, h, w)."""
        if frames.shape[1:3] != (self.frame_size, self.frame_size):
            frames = np.stack([crop_resize(frame, None, self.frame_size) for frame in frames])
        return self.codec.encode(to_float(frames).to(self.device)).to(self.dtype)

    def frames(self, latents: Tensor) -> np.ndarray:
        """Latents (T, c, h, w) -> uint8 frames (T, S, S, 3)."""
        return to_uint8(self.codec.decode(latents.float()))

    @torch.inference_mode()
    def encode_decode(self, frames: np.ndarray) -> np.ndarray:
        """Codec round trip of uint8 frames (T, H, W, 3) -> (T, S, S, 3): the upper bound of every reconstruction."""
        return self.frames(self.latents(frames))

    @torch.inference_mode()
    def encode_motion(self, frames: np.ndarray, mask_ratio: float = 0.0, seed: int = 0) -> Tensor:
        """uint8 frames (T, H, W, 3) -> motion (T, l, d_m); `mask_ratio` hides that share of the patches."""
        return self._motion(self.latents(frames), mask_ratio, torch.Generator().manual_seed(seed))

    def _motion(self, latents: Tensor, mask_ratio: float, generator: torch.Generator) -> Tensor:
        keep = random_keep(len(latents), self.motion_encoder.patches, mask_ratio, generator)
        return self.motion_encoder(latents, keep)

    @torch.inference_mode()
    def reconstruct(
        self,
        source: np.ndarray,
        driving: Iterable[np.ndarray],
        steps: int | None = None,
        seed: int = 0,
        mask_ratio: float = 0.0,
        batch: int = 16,
    ) -> Iterator[np.ndarray]:
        """Drives `source` uint8 (H, W, 3) with the motion of each driving frame; yields uint8 (S, S, 3).

        Memory is bounded by `batch` frames. The noise is one draw per video, shared by its frames.
        """
        generator = torch.Generator().manual_seed(seed)
        z_ref = self.latents(source[None])
        m_ref = self._motion(z_ref, mask_ratio, generator)
        decode = self._decoder(z_ref, m_ref, steps, seed)
        frames = iter(driving)
        while chunk := list(islice(frames, batch)):
            motion = self._motion(self.latents(np.stack(chunk)), mask_ratio, generator)
            yield from decode(motion)

    def _decoder(self, z_ref: Tensor, m_ref: Tensor, steps: int | None, seed: int) -> _VideoDecoder:
        return _VideoDecoder(self, z_ref, m_ref, steps or self.config.sampler_steps, seed)

    def talk(
        self,
        source: np.ndarray,
        waveform: np.ndarray,
        frames: int | None = None,
        steps: int | None = None,
        motion_steps: int | None = None,
        seed: int = 0,
    ) -> Iterator[np.ndarray]:
        """Makes the portrait `source` uint8 (H, W, 3) speak `waveform`; yields uint8 (S, S, 3) at 25 fps."""
        yield from self.stream(source, waveform, frames, steps, motion_steps, seed)

    @torch.inference_mode()
    def stream(
        self,
        source: np.ndarray,
        waveform: np.ndarray,
        frames: int | None = None,
        steps: int | None = None,
        motion_steps: int | None = None,
        seed: int = 0,
    ) -> Iterator[np.ndarray]:
        """As `talk`; each window of frames is yielded before the next one is generated."""
        yield from self.render(
            source, lambda m_ref: self.generate_motion(m_ref, waveform, frames, motion_steps, seed), steps, seed
        )

    @torch.inference_mode()
    def render(
        self,
        source: np.ndarray,
        motions: Callable[[Tensor], Iterable[Tensor]],
        steps: int | None = None,
        seed: int = 0,
    ) -> Iterator[np.ndarray]:
        """Moves `source` uint8 (H, W, 3) by motions of any origin; yields uint8 (S, S, 3).

        `motions` is given the source's own motion (1, l, d_m) and makes those of the frames, (T, l, d_m) at a time.
        """
        z_ref = self.latents(source[None])
        m_ref = self._motion(z_ref, 0.0, torch.Generator().manual_seed(seed))
        decode = self._decoder(z_ref, m_ref, steps, seed)
        for motion in motions(m_ref):
            yield from decode(motion)

    @torch.inference_mode()
    def generate_motion(
        self, m_ref: Tensor, waveform: np.ndarray, frames: int | None = None, steps: int | None = None, seed: int = 0
    ) -> Iterator[Tensor]:
        """Motions (W, l, d_m) window by window for a reference motion (1, l, d_m) and float32 16 kHz sound.

        `frames` None covers the whole sound. The last window is generated with silence and trimmed.
        """
        network = self.motion_generator
        if network is None:
            raise ValueError("this model has no motion generator; train stage 2 or use a model that has one")
        past, window = network.config.previous, network.config.window
        frames = frames if frames is not None else max(1, round(len(waveform) / 640))
        audio = torch.from_numpy(self._audio_encoder().encode(waveform, frames)).to(self.device, self.dtype)
        silence = torch.from_numpy(self._audio_encoder().encode(np.zeros(640 * window, np.float32), window))
        silence = silence.to(self.device, self.dtype)
        audio = torch.cat([silence[:1].expand(2 * past, -1), audio, silence])
        mean, std = (x.to(self.device, self.dtype) for x in self.motion_stats)
        reference = (m_ref.to(self.dtype) - mean) / std
        previous = torch.zeros(1, past, *m_ref.shape[1:], device=self.device, dtype=self.dtype)
        for start in range(0, frames, window):
            sound = audio[2 * start : 2 * (start + past + window)][None]
            has_previous = torch.tensor([start > 0], device=self.device)
            noise = _noise(seed + start, (1, window, *m_ref.shape[1:]), stream=1).to(self.device, self.dtype)
            motion = self.config.motion_flow.sample(
                lambda z, tau: network(previous, z, reference, sound, tau, has_previous),  # noqa: B023
                noise,
                steps or self.config.motion_sampler_steps,
            )
            previous = torch.cat([previous, motion], dim=1)[:, -past:]
            yield (motion[0] * std + mean)[: frames - start]

    def _audio_encoder(self):
        if not hasattr(self, "_audio"):
            self._audio = make_audio_encoder(self.config.audio, self.config.audio_path)
        return self._audio


class _VideoDecoder:
    """Turns motions into frames for one source; with a temporal decoder, in windows that overlap by a quarter."""

    def __init__(self, pipeline: SeMoPipeline, z_ref: Tensor, m_ref: Tensor, steps: int, seed: int):
        self.pipeline, self.z_ref, self.m_ref, self.steps = pipeline, z_ref, m_ref, steps
        self.noise = _noise(seed, tuple(z_ref.shape)).to(pipeline.device, pipeline.dtype)
        self.frames = pipeline.config.video_frames
        self.tail: tuple[Tensor, Tensor] | None = None

    def __call__(self, motion: Tensor) -> np.ndarray:
        """Motions (T, l, d_m) of the next T frames -> uint8 (T, S, S, 3)."""
        if self.frames == 1:
            return self.pipeline.frames(self._images(motion))
        return self.pipeline.frames(self._video(motion))

    def _images(self, motion: Tensor) -> Tensor:
        pipeline, count = self.pipeline, len(motion)
        z_ref, m_ref = self.z_ref.expand(count, -1, -1, -1), self.m_ref.expand(count, -1, -1)
        network = pipeline.decoder
        noise = self.noise.expand(count, -1, -1, -1)
        return pipeline.config.flow.sample(lambda z, tau: network(z_ref, z, m_ref, motion, tau), noise, self.steps)

    def _video(self, motion: Tensor) -> Tensor:
        overlap = self.frames // 4
        done: list[Tensor] = []
        start = 0
        while start < len(motion):
            if self.tail is None:
                block, known = motion[start : start + self.frames], None
            else:
                fresh = motion[start : start + self.frames - overlap]
                block, known = torch.cat([self.tail[0], fresh]), self.tail[1]
            latents = self._window(block, known)
            new = latents if known is None else latents[len(known) :]
            done.append(new)
            start += len(new)
            self.tail = (block[-overlap:], latents[-overlap:]) if overlap else None
        return torch.cat(done)

    def _window(self, motion: Tensor, known: Tensor | None) -> Tensor:
        """One window of frames; `known` finished latents are put back, noised, at every step."""
        pipeline, noise = self.pipeline, self.noise.expand(len(motion), -1, -1, -1)

        def network(z: Tensor, tau: Tensor) -> Tensor:
            if known is not None:
                held = torch.lerp(known, noise[: len(known)], tau[0].to(known.dtype))
                z = torch.cat([held[None], z[:, len(known) :]], dim=1)
            return pipeline.decoder(self.z_ref, z, self.m_ref, motion[None], tau)

        latents = pipeline.config.flow.sample(network, noise[None], self.steps)[0]
        return latents if known is None else torch.cat([known, latents[len(known) :]])


def _load(kind, folder: Path):
    network = kind.from_pretrained(folder, local_files_only=True, low_cpu_mem_usage=False)
    return torch.nn.Module.float(network)  # diffusers' own float() warns of layers to keep: there are none
