"""AniPortrait behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from baselines.aniportrait.audio2mesh import Offsets
from baselines.aniportrait.audio2pose import head_motion
from baselines.aniportrait.checkpoints import load_official
from baselines.aniportrait.config import SIZES, build
from baselines.aniportrait.denoising import Drawings, DrawnDenoiser
from baselines.aniportrait.head import POSE, Head, as_ibug68
from baselines.aniportrait.hearing import FPS
from baselines.blocks.diffusion.embedding import bundled, clip
from baselines.blocks.diffusion.sampling import Sampling
from baselines.blocks.diffusion.talk import DiffusionMethod, Scene
from baselines.inputs.clips import portrait_face
from baselines.inputs.face import Face
from baselines.inputs.layouts import IBUG68
from semo.pictures import to_uint8

HEAD_MOTIONS = ("audio", "none")


class Method(DiffusionMethod):
    """Option `head`: head motion from the sound (`audio`, the default), or none.

    Options `steps`, `guidance`, `context`, `overlap` as all methods of the family.
    """

    name = "AniPortrait"
    mini_name = "AniPortrait-mini"
    weights = ("aniportrait",)
    official_file = "denoising_unet.pth"
    labels = ("landmarks", "head pose")
    sizes_of = SIZES
    build = staticmethod(build)
    fps = float(FPS)
    needs_face = True
    samplings = {
        "official": Sampling(steps=25, guidance=3.5, context=16, overlap=4),
        "mini": Sampling(steps=1, guidance=1.0, context=3, overlap=1),
    }

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        if size == "official":
            load_official(modules, path.parent)
        else:
            super()._read(path, modules, size)

    def inputs(self, config: Any) -> None:
        super().inputs(config)
        self.embed = bundled if config.toy else clip(self.beside("image_encoder", "sd-image-encoder"), self.device)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return super().settings(options) | {"head": head_option(options)}

    def denoiser(self, scene: Scene) -> DrawnDenoiser:
        with torch.inference_mode():
            tokens = self.embed(scene.picture)[:, None]
            return DrawnDenoiser(self.modules, scene.latent, tokens, self.drawings(scene), self.config.guider_drawings)

    def drawings(self, scene: Scene) -> Drawings:
        """The pose guide of a clip: the portrait's own mesh and pose, moved by its sound."""
        audio = self.config.audio
        offsets = Offsets(self.modules["audio2mesh"], scene.waveform, scene.frames, audio.anchored)
        if head_option(scene.options) == "none":
            motion = np.zeros((scene.frames, POSE))
        else:
            style = int(np.random.default_rng(scene.seed).integers(audio.ids))
            motion = head_motion(self.modules["audio2pose"], scene.waveform, scene.frames, style, audio.turn_scale)
        face = self.mesh(scene)
        return Drawings(Head.of(face), offsets, motion, self.config.frame_size, self.config.line_width)

    def mesh(self, scene: Scene) -> Face:
        """The portrait's face in the layout that the networks were trained on; raises ClipFailure without a face."""
        face = scene.face
        if face.layout.points == self.config.audio.points:
            return face
        if self.config.audio.points == IBUG68.points:
            return as_ibug68(face)
        return portrait_face(to_uint8(scene.picture[0]))  # annotations have no mesh for the published networks


def head_option(options: Mapping[str, Any]) -> str:
    """Raises ValueError for a head motion that there is not."""
    chosen = options.get("head") or HEAD_MOTIONS[0]
    if chosen not in HEAD_MOTIONS:
        raise ValueError(f"the option head is {' or '.join(HEAD_MOTIONS)}, not {chosen!r}")
    return chosen
