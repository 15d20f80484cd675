"""EchoMimic behind the same contract as every other method: audio-only mode, plain and accelerated."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.diffusion.files import load_files
from baselines.blocks.diffusion.sampling import Sampling
from baselines.blocks.diffusion.speech import LogMelSpeech, Speech, WhisperSpeech
from baselines.blocks.diffusion.talk import DiffusionMethod, Scene
from baselines.echomimic.config import SIZES, build
from baselines.echomimic.denoiser import EchoMimicDenoiser
from baselines.echomimic.inputs import audio_tokens, placed
from baselines.inputs.masks import face_mask

ACCELERATED = "_acc"  # end of the names of the distilled files


class Method(DiffusionMethod):
    """A folder with `denoising_unet_acc.pth` and without `denoising_unet.pth` is the accelerated variant."""

    name = "EchoMimic"
    mini_name = "EchoMimic-mini"
    weights = ("echomimic", "echomimic-acc")
    official_file = "denoising_unet.pth"
    sizes_of = SIZES
    build = staticmethod(build)
    fps = 24.0
    labels = ("face and lip boxes",)
    needs_face = True
    samplings = {
        "official": Sampling(steps=30, guidance=2.5, context=12, overlap=3),
        "accelerated": Sampling(steps=6, guidance=1.0, context=12, overlap=3),
        "mini": Sampling(steps=4, guidance=1.0, context=4, overlap=1),
    }
    speech: Speech

    def _file(self, weights: Path | None, size: str) -> Path:
        accelerated = Path(weights or "") / f"denoising_unet{ACCELERATED}.pth"
        if size == "official" and accelerated.is_file() and not accelerated.with_name(self.official_file).is_file():
            self.name, self.variant = "EchoMimic (accelerated)", "accelerated"
            return accelerated
        return super()._file(weights, size)

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        if size == "mini":
            return super()._read(path, modules, size)
        end = ACCELERATED if self.variant == "accelerated" else ""
        load_files(
            modules,
            {
                "denoising_unet": [path, path.with_name(f"motion_module{end}.pth")],
                "reference_unet": [path.with_name("reference_unet.pth")],
                "face_locator": [path.with_name("face_locator.pth")],
            },
        )

    def inputs(self, config: Any) -> None:
        super().inputs(config)
        self.speech = (
            LogMelSpeech() if config.toy else WhisperSpeech(self.beside("whisper-tiny", "whisper-tiny"), self.device)
        )

    def denoiser(self, scene: Scene) -> EchoMimicDenoiser:
        track = self.speech.of(scene.waveform, scene.frames / self.fps)

        @lru_cache(64)
        def tokens(frames: range) -> Tensor:
            found = audio_tokens(track, frames, self.fps)
            return placed(found) if self.config.toy else found

        with torch.inference_mode():
            mask = face_mask(scene.face)[None].to(scene.latent)
            return EchoMimicDenoiser(self.modules, scene.latent, mask, tokens, self.config.audio_feature_ratio)
