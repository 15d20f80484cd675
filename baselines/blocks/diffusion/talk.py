"""From a portrait and its sound to frames: what a method of the family does around its own `Denoiser`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from baselines.blocks.animate import fit
from baselines.blocks.diffusion.codec import LatentCodec, StableDiffusionLatents, decoded
from baselines.blocks.diffusion.noise import Noise, frame_noise
from baselines.blocks.diffusion.sampling import Denoiser, Sampling, sample_overlapping
from baselines.blocks.talk import TalkMethod, frames_at, resampled
from baselines.inputs.face import Face
from baselines.method import ClipContext, MethodUnavailable
from semo.errors import DatasetError
from semo.pictures import to_float, to_uint8
from semo.registry import locate


@dataclass(frozen=True)
class Scene:
    """What a clip is made from, at the networks' size S.

    picture: (1, 3, S, S) in [0, 1]; latent: (1, C, h, w) of it; face: in `picture`, one frame, None for a method that
    needs none; waveform: float32 16 kHz; frames: how many at the method's own rate; seed: of everything random;
    options: those of the run
    """

    picture: Tensor
    latent: Tensor
    face: Face | None
    waveform: np.ndarray
    frames: int
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)


class DiffusionMethod(TalkMethod):
    """A rival that denoises latents of frames. Subclasses say what their U-Net is told (`denoiser`).

    samplings: per size or variant of the weights, what the paper's script samples with, or what a toy can afford
    variant: of the weights, the size unless there are several at official size
    codec: Stable Diffusion's VAE; a toy's is one of its networks, `codec`
    """

    samplings: ClassVar[Mapping[str, Sampling]]
    codec: LatentCodec

    def __init__(self) -> None:
        super().__init__()
        self.variant, self.folder, self.device = "official", Path(), "cpu"
        self.modules: dict[str, Any] = {}
        self.config: Any = None

    def load(self, weights: Path | None, size: str, device: str) -> None:
        self.variant, self.folder, self.device = size, Path(weights or ""), device
        super().load(weights, size, device)

    def ready(self, modules: dict[str, nn.Module], config: Any) -> None:
        self.modules = {name: module.eval().requires_grad_(False) for name, module in modules.items()}
        self.config = config
        try:
            self.inputs(config)
        except ValueError as error:
            raise MethodUnavailable(f"{self.name} ({self.variant}): {error}") from error

    def inputs(self, config: Any) -> None:
        """Open what the networks' inputs come from: the codec, and in subclasses speech and face networks.

        Raises ValueError where something is missing.
        """
        self.codec = self.modules.get("codec") or StableDiffusionLatents(
            self.beside("sd-vae-ft-mse", "sd-vae"), config.frame_size, self.device
        )

    def beside(self, name: str, weight: str) -> Path:
        """A folder of a network that others published: beside the official files, or fetched as `weight`."""
        if (self.folder / name).is_dir():
            return self.folder / name
        try:
            return next(iter(locate(weight).values())).parent
        except DatasetError as error:
            raise ValueError(f"there is no folder {name} beside the official files, and {error}") from error

    def sampling(self, options: Mapping[str, Any]) -> Sampling:
        """What a run samples with. Raises ValueError for options that make no sense."""
        return self.samplings[self.variant].changed(options)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Sampler, steps, guidance, context, frame rate, and how the networks were trained."""
        return self.sampling(options).settings() | {"fps": self.fps} | super().settings(options)

    @abstractmethod
    def denoiser(self, scene: Scene) -> Denoiser:
        """The U-Net with all it is told of this clip."""

    def noise(self, scene: Scene) -> Noise:
        """What each frame starts from."""
        return frame_noise(scene.seed, (self.codec.channels, self.codec.size, self.codec.size))

    def pictures(self, scene: Scene, sampling: Sampling) -> Iterator[Tensor]:
        """Frames (3, S, S) at the method's own rate, lazily."""
        latents = sample_overlapping(self.denoiser(scene), self.noise(scene), scene.frames, sampling, self.device)
        return decoded(latents, self.codec)

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        """Frames in the size of `source`. Options: `steps`, `guidance`, `context` (frames of a window), `overlap`."""
        if not self.modules:
            raise MethodUnavailable(f"{self.name} is not loaded")
        sampling = self.sampling(context.options)
        scene = self.scene(source, waveform, frames, context)
        native = (fit(to_uint8(picture), source.shape[:2]) for picture in self.pictures(scene, sampling))
        return resampled(native, self.fps, frames)

    @torch.inference_mode()
    def scene(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Scene:
        """The inputs of `talk` at the networks' size; the picture is resized without keeping its aspect."""
        size = (self.config.frame_size, self.config.frame_size)
        picture = to_float(fit(source, size))[None].to(self.device)
        face = context.annotations["face"]().scaled(size) if self.needs_face else None
        native = frames_at(self.fps, frames)
        return Scene(picture, self.codec.encode(picture), face, waveform, native, context.seed, context.options)
