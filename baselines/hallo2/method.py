"""Hallo2 behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.diffusion import embedding
from baselines.blocks.diffusion.noise import frame_noise
from baselines.blocks.diffusion.sampling import Sampling, denoised
from baselines.blocks.diffusion.speech import LogMelSpeech, Speech, Wav2Vec2Speech
from baselines.blocks.diffusion.talk import DiffusionMethod, Scene
from baselines.hallo2.config import SIZES, build
from baselines.hallo2.denoiser import Hallo2Denoiser, Told
from baselines.hallo2.inputs import audio_windows, patch_dropped
from baselines.inputs.masks import at_levels, face_mask, region_masks

WEIGHTS = ("pose_weight", "face_weight", "lip_weight")  # options: of sound in the whole frame, the face, the lips
FACE = "face_analysis/models/glintr100.onnx"
SPEECH = "wav2vec/wav2vec2-base-960h"
DROPS = 1  # stream of the noise that says which pixels of motion frames are dropped


class Method(DiffusionMethod):
    """Options beside the sampler's: `pose_weight`, `face_weight`, `lip_weight` (1), `face_expand_ratio` (1.2)."""

    name = "Hallo2"
    mini_name = "Hallo2-mini"
    weights = ("hallo2",)
    official_file = "hallo2/net.pth"
    sizes_of = SIZES
    build = staticmethod(build)
    labels = ("face and lip boxes",)
    needs_face = True
    samplings = {
        "official": Sampling(steps=40, guidance=3.5, context=16, overlap=0),
        "mini": Sampling(steps=4, guidance=1.0, context=3, overlap=0),
    }
    speech: Speech

    def inputs(self, config: Any) -> None:
        super().inputs(config)
        if config.toy:
            self.speech, self._embed = LogMelSpeech(), lambda picture, face: embedding.bundled(picture)
        else:
            self.speech = Wav2Vec2Speech(self.folder / SPEECH, self.fps, self.device)
            self._embed = embedding.arcface(self.folder / FACE)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: options[name] for name in (*WEIGHTS, "face_expand_ratio") if options.get(name) is not None}
        return super().settings(options) | {"motion frames": self.sizes_of[self.variant].motion_frames} | given

    def told(self, scene: Scene) -> Told:
        """All but the frames before a clip."""
        options, unet = scene.options, self.config.denoising
        ratio = float(options.get("face_expand_ratio") or 1.2)
        track = self.speech.of(scene.waveform, scene.frames / self.fps)
        face = face_mask(scene.face, ratio).to(scene.latent)
        return Told(
            pictures=scene.latent[:, None],
            embedding=self._embed(scene.picture, scene.face),
            face=face.expand(1, self.config.locator_channels, -1, -1)[:, :, None],
            masks=at_levels(
                region_masks(scene.face, ratio).to(scene.latent),
                [self.codec.size >> level for level in range(len(unet.widths))],
            ),
            sound=lambda frames: audio_windows(track, frames, self.fps, self.config.audio_window),
            scale=tuple(1.0 if options.get(name) is None else float(options[name]) for name in WEIGHTS),
        )

    def sampling(self, options: Mapping[str, Any]) -> Sampling:
        made = super().sampling(options)
        if made.overlap:
            raise ValueError("Hallo2's windows share no frames, motion frames join them: leave out the option overlap")
        return made

    def denoiser(self, scene: Scene) -> Hallo2Denoiser:
        """Of the first clip of frames, before which the portrait stands still."""
        return self._denoiser(self.told(scene), scene, self._still(scene), 0, guided=False)

    def pictures(self, scene: Scene, sampling: Sampling) -> Iterator[Tensor]:
        told, noise, before = self.told(scene), self.noise(scene), self._still(scene)
        for start in range(0, scene.frames, sampling.context):
            frames = range(start, min(start + sampling.context, scene.frames))
            denoiser = self._denoiser(told, scene, before, start, sampling.guidance > 1)
            latent = torch.stack([noise(frame) for frame in frames]).to(scene.latent)
            made = self.codec.decode(denoised(denoiser, latent, frames, sampling))
            before = torch.cat([before, made])[-len(before) :]
            yield from made

    def _still(self, scene: Scene) -> Tensor:
        return scene.picture.expand(self.config.motion_frames, -1, -1, -1)

    @torch.inference_mode()
    def _denoiser(self, told: Told, scene: Scene, before: Tensor, start: int, guided: bool) -> Hallo2Denoiser:
        """before: motion frames (M, 3, S, S) as they were made; their face is taken to be where the portrait's is."""
        drops = frame_noise(scene.seed, (len(before), 1, *before.shape[-2:]), stream=DROPS)(start).to(before)
        kept = patch_dropped(before, told.face[:, 0, 0], drops)
        pictures = torch.cat([told.pictures, self.codec.encode(kept)[None]], 1)
        return Hallo2Denoiser(self.modules, replace(told, pictures=pictures), guided)
