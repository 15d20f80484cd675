"""The published files: a bare state dict per network; those of the diffusion networks share `load_files`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from baselines.blocks.diffusion.files import load_files
from baselines.checkpoints import load_modules, read_checkpoint

DIFFUSION = {
    "reference_unet": ("reference_unet.pth",),
    "denoising_unet": ("denoising_unet.pth", "motion_module.pth"),
    "pose_guider": ("pose_guider.pth",),
}
AUDIO = {"audio2mesh": "audio2mesh.pt", "audio2pose": "audio2pose.pt"}
RENAMED = {  # weight norm, as torch wrote it before 2.0
    "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
}
CONSTANT = ("PPE.pe", "audio_encoder.masked_spec_embed")  # computed, or used in wav2vec2's own training alone


def load_official(modules: Mapping[str, nn.Module], folder: Path) -> None:
    """Fill the networks from the files in `folder`; every key and shape must fit. Raises CheckpointError.

    There is no list of the keys of audio2mesh and audio2pose beside the sheet: they are taken to be those of upstream's
    classes, whose wav2vec2 is that of transformers.
    """
    load_files(modules, {name: [folder / file for file in files] for name, files in DIFFUSION.items()})
    for name, file in AUDIO.items():
        load_modules({name: modules[name]}, {name: as_now(read_checkpoint(folder / file), modules[name])}, file)


def as_now(state: Mapping[str, Any], module: nn.Module) -> dict[str, Any]:
    """An audio network's state dict under today's names, with what may be missing in it from `module`."""
    own = module.state_dict()
    made = {key: own[key] for key in CONSTANT if key in own}
    for key, value in state.items():
        old = next((name for name in RENAMED if key.endswith(name)), None)
        made[key if old is None else key.removesuffix(old) + RENAMED[old]] = value
    return made
