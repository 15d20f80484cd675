"""SadTalker behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.blocks.animate import fit
from baselines.blocks.talk import TalkMethod
from baselines.inputs.face import Face
from baselines.method import ClipContext, MethodUnavailable
from baselines.sadtalker.config import SIZES, Config, build
from baselines.sadtalker.crop import aligned, face_square, five_points
from baselines.sadtalker.face_recon import motion_part
from baselines.sadtalker.generate import Talker, Wishes
from semo.pictures import to_float

MAPPING_FILE = "mapping_00229-model.pth.tar"
RECON = "face_3drecon"
PREPROCESS = ("resize", "crop")
UNUSED = ("netD_motion", "encoder")  # parts of networks that only training needs


class Method(TalkMethod):
    """Options: `pose_style` 0 to 45, `expression_scale`, `still` (true: the head keeps its pose), and `preprocess`:
    `resize` takes the whole picture, `crop` the square around the face and pastes it back."""

    name = "SadTalker"
    mini_name = "SadTalker-mini"
    weights = ("sadtalker",)
    labels = ("expression", "landmarks", "pose")
    official_file = "SadTalker_V0.0.2_256.safetensors"
    sizes_of = SIZES
    build = staticmethod(build)
    needs_face = True

    def __init__(self) -> None:
        super().__init__()
        self._talker: Talker | None = None

    def ready(self, modules: dict[str, nn.Module], config: Config) -> None:
        for network in modules.values():
            network.requires_grad_(False)
        self._parameters = sum(
            parameter.numel()
            for module in modules.values()
            for name, parameter in module.named_parameters()
            if not set(UNUSED) & set(name.split("."))
        )
        self._talker = Talker(modules, config)

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        """Official: the mapping network has a file of its own."""
        from baselines.checkpoints import load_modules, read_checkpoint

        if size == "mini":
            return super()._read(path, modules, size)
        others = {name: module for name, module in modules.items() if name != "mapping"}
        load_modules(others, read_checkpoint(path), path.name)
        load_modules({"mapping": modules["mapping"]}, read_checkpoint(path.with_name(MAPPING_FILE)), MAPPING_FILE)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        wishes = _wishes(options)
        made: dict[str, Any] = {"preprocess": _preprocess(options)}
        if wishes.still:
            made["still"] = True
        else:
            made["pose_style"] = wishes.pose_style
        if wishes.expression_scale != 1:
            made["expression_scale"] = wishes.expression_scale
        return made | super().settings(options)

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        """Frames in the size of `source`. Raises ValueError for options out of range, ClipFailure without a face."""
        if self._talker is None:
            raise MethodUnavailable(f"{self.name} is not loaded")
        wishes, preprocess = _wishes(context.options), _preprocess(context.options)
        return self._talk(self._talker, source, waveform, frames, context, wishes, preprocess)

    def _talk(
        self, talker: Talker, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext,
        wishes: Wishes, preprocess: str,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        size = talker.config.frame_size
        face: Face = context.annotations["face"]()
        square = face_square(five_points(face)) if preprocess == "crop" else None
        portrait = square.cut(source, size) if square else fit(source, (size, size))
        read = coefficients(talker, source, face)
        made = talker.coefficients(read, waveform, frames, context.seed, wishes)
        for frame in talker.frames(portrait, read, made):
            yield square.paste(source, frame) if square else fit(frame, source.shape[:2])


def coefficients(talker: Talker, picture: np.ndarray, face: Face) -> Tensor:
    """Of the portrait, (1, C): read by the network where the size has one, else what stands in for them."""
    if RECON not in talker.modules:
        return torch.from_numpy(face.coefficients(talker.config.expressions)[:1])
    crop = aligned(picture, five_points(face))
    with torch.inference_mode():
        return motion_part(talker.modules[RECON](to_float(crop[None]).to(talker.device)))


def _wishes(options: Mapping[str, Any]) -> Wishes:
    """Raises ValueError for what is out of range."""
    style = options.get("pose_style", 0)
    if isinstance(style, bool) or not isinstance(style, int) or not 0 <= style < SIZES["official"].pose_classes:
        raise ValueError(f"pose_style is a number from 0 to {SIZES['official'].pose_classes - 1}, not {style!r}")
    scale = options.get("expression_scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 <= scale < float("inf"):
        raise ValueError(f"expression_scale is a number from 0 on, not {scale!r}")
    return Wishes(style, float(scale), bool(options.get("still", False)))


def _preprocess(options: Mapping[str, Any]) -> str:
    chosen = options.get("preprocess") or PREPROCESS[0]
    if chosen not in PREPROCESS:
        raise ValueError(f"preprocess {chosen!r} is unknown; there are {', '.join(PREPROCESS)}")
    return chosen
