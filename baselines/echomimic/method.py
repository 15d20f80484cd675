"""EchoMimic behind the same contract as every other method."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.diffusion.sampling import Sampling
from baselines.blocks.diffusion.speech import LogMelSpeech, Speech, WhisperSpeech
from baselines.blocks.diffusion.talk import DiffusionMethod, Scene
from baselines.echomimic.config import SIZES, build
from baselines.echomimic.denoiser import EchoMimicDenoiser
from baselines.echomimic.inputs import audio_tokens, placed
from baselines.inputs.masks import face_mask

FPS = 24.0


class Method(DiffusionMethod):
    name = "EchoMimic"
    mini_name = "EchoMimic-mini"
    weights = ("echomimic",)
    official_file = "denoising_unet.pth"
    sizes_of = SIZES
    build = staticmethod(build)
    fps = FPS
    needs_face = True
    samplings = {
        "official": Sampling(steps=30, guidance=2.5, context=12, overlap=3),
        "mini": Sampling(steps=4, guidance=1.0, context=12, overlap=3),
    }
    speech: Speech

    def inputs(self, config: Any) -> None:
        super().inputs(config)
        toy = config.toy_codec
        self.speech = LogMelSpeech() if toy else WhisperSpeech(self._folder / "audio_processor", self._device)

    def denoiser(self, scene: Scene) -> EchoMimicDenoiser:
        track = self.speech.of(scene.waveform, scene.frames / self.fps)

        @lru_cache(64)
        def tokens(frames: range) -> Tensor:
            found = audio_tokens(track, frames, self.fps)
            return placed(found) if self.config.toy_codec else found

        with torch.inference_mode():
            mask = face_mask(scene.face)[None].to(scene.latent)
            return EchoMimicDenoiser(self.modules, scene.latent, mask, tokens, self.config.audio_feature_ratio)
