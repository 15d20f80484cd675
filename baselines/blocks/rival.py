"""What rivals share behind the contract of `baselines.method`: two kinds of weights, and motion by keypoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baselines.blocks.animate import MOTIONS, Animator, animate
from baselines.method import ClipContext, MethodUnavailable

if TYPE_CHECKING:
    from torch import nn

MODEL = "model.safetensors"
CONFIG = "config.json"


class TrainedOrOfficial:
    """A rival with the published weights, or with networks trained in a run of the suite.

    `name` is that of the published weights; networks trained in a run are called `mini_name`. Subclasses say in
    `networks` which of those that `build` makes they need, and get them filled in `ready`.
    """

    name: str
    mini_name: ClassVar[str]
    official_file: ClassVar[str]
    sizes_of: ClassVar[Mapping[str, Any]]  # size -> configuration
    build: ClassVar[Any]  # configuration -> networks by their keys in the official file
    tasks: tuple[str, ...]
    weights: tuple[str, ...]
    sizes = ("mini", "official")
    labels: tuple[str, ...] = ()
    kind = "scratch"
    needs_truth = False

    def __init__(self) -> None:
        self._trained: dict[str, Any] = {}
        self._parameters = 0

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """`weights`: a folder with the official files, or with what a training of the suite at `mini` wrote.

        The official networks were trained elsewhere: with them `kind` becomes `other`.
        """
        if size not in self.sizes_of:
            raise MethodUnavailable(f"{self.name} has no size {size!r}; there are {', '.join(self.sizes_of)}")
        path = self._file(weights, size)
        config = self.sizes_of[size]
        modules = self.networks(config)
        try:
            self._read(path, modules, size)
            self._trained = self._record(path.with_name(CONFIG)) if size == "mini" else {}
        except (ValueError, OSError) as error:
            raise MethodUnavailable(str(error)) from error
        self.kind = "other" if size == "official" else "scratch"
        self._parameters = sum(p.numel() for module in modules.values() for p in module.parameters())
        self.ready({name: module.to(device) for name, module in modules.items()}, config)

    def networks(self, config: Any) -> dict[str, nn.Module]:
        """The networks to fill: all that `build` makes."""
        return self.build(config)

    def ready(self, modules: dict[str, nn.Module], config: Any) -> None:
        """Take over the filled networks."""
        raise NotImplementedError

    def parameters(self, task: str) -> int:
        """Parameters of the networks in use."""
        return self._parameters

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        """Fill `modules` from the file that `_file` found."""
        from baselines.checkpoints import load_modules, read_checkpoint

        load_modules(modules, read_checkpoint(path), path.name)

    def _file(self, weights: Path | None, size: str) -> Path:
        wanted = self.official_file if size == "official" else MODEL
        if weights is None:
            raise MethodUnavailable(
                f"{self.name} needs a folder with {wanted} (`semo fetch {self.weights[0]}` says where it is published)"
                if size == "official"
                else f"{self.mini_name} needs the folder of its training, with {MODEL}"
            )
        path = Path(weights) / wanted
        if not path.is_file():
            raise MethodUnavailable(f"the weights folder {Path(weights).name} of {self.name} ({size}) has no {wanted}")
        return path

    def _record(self, path: Path) -> dict[str, Any]:
        """What the training wrote; raises ValueError where it is that of another method or size."""
        record = json.loads(path.read_text(encoding="utf-8"))
        made = record.get("method"), record.get("size")
        if made != (self.weights[0], "mini"):
            raise ValueError(f"{path.parent.name}: holds {made[0]} at size {made[1]}, not {self.weights[0]} at mini")
        return record

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """How many steps a training of the suite took; nothing for official weights."""
        training = self._trained.get("training", {})
        if "steps" not in training:
            return {}
        stages = [f"{stage} {training['steps']}" for stage in training.get("stages", ())]
        return {"trained": f"{' + '.join(stages) or training['steps']} steps"}


class Reconstructing(TrainedOrOfficial):
    """A rival that moves a source by a driving video, through the animator that `ready` makes."""

    def __init__(self) -> None:
        super().__init__()
        self._animator: Animator | None = None

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        """Frames in the size of `source`. Option `motion`: `absolute` (default), or `relative` to the first frame."""
        if self._animator is None:
            raise MethodUnavailable(f"{self.name} is not loaded")
        return animate(self._animator, source, driving, context.options.get("motion") or MOTIONS[0])


class KeypointMethod(Reconstructing):
    """A rival that moves a source by the keypoints of a driving video."""

    animator: ClassVar[type[Animator]]
    tasks = ("reconstruct",)

    def networks(self, config: Any) -> dict[str, nn.Module]:
        return {name: module for name, module in self.build(config).items() if name in self.animator.used}

    def ready(self, modules: dict[str, nn.Module], config: Any) -> None:
        self._animator = self.animator(modules, config.frame_size)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"motion": options.get("motion") or MOTIONS[0]} | super().settings(options)

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        raise MethodUnavailable(f"{self.name} is driven by video, not by sound")
