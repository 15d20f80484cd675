"""LivePortrait behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from baselines.blocks.animate import MOTIONS, animate
from baselines.blocks.rival import KeypointMethod
from baselines.liveportrait.animate import LivePortraitAnimator
from baselines.liveportrait.config import EYES, LIPS, SIZES, STITCHING, build, build_retargeting
from baselines.method import ClipContext, MethodUnavailable

RETARGETING_FILE = "stitching_retargeting_module.pth"
BASE, RETARGETING = "base_models", "retargeting_models"  # folders below `liveportrait` as the authors publish them
IN_ONE_FILE = {STITCHING: "retarget_shoulder", LIPS: "retarget_mouth", EYES: "retarget_eye"}
EDITS = ("stitching", "eyes", "lips")


class Method(KeypointMethod):
    """Options beside `motion`: `stitching` (true or false), `eyes` and `lips` as `LivePortraitAnimator.edited`."""

    name = "LivePortrait"
    mini_name = "LivePortrait-mini"
    tasks = ("reconstruct",)
    weights = ("liveportrait",)
    official_file = "warping_module.pth"
    sizes_of = SIZES
    build = staticmethod(build)
    animator = LivePortraitAnimator

    def _file(self, weights: Path | None, size: str) -> Path:
        """Official files lie side by side, or in the folders in which they are published."""
        published = Path(weights or "") / "liveportrait" / BASE / self.official_file
        if size == "official" and weights is not None and published.is_file():
            return published
        return super()._file(weights, size)

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        """Official: one bare state dict per network; the small networks share a file, which may be absent."""
        from baselines.checkpoints import load_modules, read_checkpoint

        if size == "mini":
            return super()._read(path, modules, size)
        folder = path.parent.with_name(RETARGETING) if path.parent.name == BASE else path.parent
        small = folder / RETARGETING_FILE
        for name in modules:
            file = path.with_name(f"{name}.pth")
            load_modules({name: modules[name]}, {name: read_checkpoint(file)}, file.name)
        if small.is_file():
            content = read_checkpoint(small)
            networks = build_retargeting(self.sizes_of[size])
            states = {name: content[key] for name, key in IN_ONE_FILE.items() if key in content}
            load_modules(networks, states, small.name)
            modules |= networks

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return super().settings(options) | {edit: options[edit] for edit in EDITS if options.get(edit)}

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        """Frames in the size of `source`."""
        if self._animator is None:
            raise MethodUnavailable(f"{self.name} is not loaded")
        options = context.options
        animator = self._animator.edited(**{edit: options[edit] for edit in EDITS if options.get(edit)})
        return animate(animator, source, driving, options.get("motion") or MOTIONS[0])
