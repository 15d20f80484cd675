"""The contract between the suite and a method, and the registry that finds methods by their folders.

A method is a folder `baselines/<name>/` whose `method.py` defines a class `Method`. Ids write hyphens where folder
names have underscores: `copy-reference` lives in `copy_reference/`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np

import baselines

TASKS = ("reconstruct", "talk")
# trained for the run and compared in it; not a method but a limit; SeMo's decoder with motion that no method made from
# the input, to show what a metric rewards anyway; trained elsewhere, shown without being compared
KINDS = ("scratch", "bound", "control", "other")


class MethodUnavailable(RuntimeError):
    """The whole method cannot run here (weights absent, platform); its cells read `not run: <message>`."""


class ClipFailure(RuntimeError):
    """One clip cannot be made; the others go on and the message is recorded beside the clip."""


@dataclass(frozen=True)
class ClipContext:
    """What a method may know about one clip besides its inputs.

    `seed` comes from `clip_seed`; `options` are those of the command line (steps, mask_ratio, ...); `annotations` hold
    what methods declare to need, and nothing otherwise: `truth`, `face`, `other_clip`, functions without arguments.
    """

    clip: str
    seed: int
    fps: float = 25.0
    options: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        object.__setattr__(self, "annotations", MappingProxyType(dict(self.annotations)))


@runtime_checkable
class Method(Protocol):
    """SeMo, a rival, a bound or a control.

    `name`: as tables print it. `tasks`: subset of TASKS. `weights`: ids in weights.yaml. `sizes`: subset of `mini`,
    `official`. `labels`: kinds of annotation training needed, empty for self-supervised methods. `kind`: one of KINDS.
    `needs_truth`: the true frames are given in `context.annotations["truth"]`, a function without arguments that
    returns an iterator; for bounds only. Optional `needs_face`: `context.annotations["face"]()` gives the
    `baselines.inputs.face.Face` of the source frame, annotated where the data set has truth, else detected. Optional
    `needs_other_clip`: `context.annotations["other_clip"]()` gives the frames of a clip of another person
    (`semo.tasks.other_clip`), at most as many as are asked for; for controls only.
    """

    name: str
    tasks: tuple[str, ...]
    weights: tuple[str, ...]
    sizes: tuple[str, ...]
    labels: tuple[str, ...]
    kind: str
    needs_truth: bool

    def load(self, weights: Path | None, size: str, device: str) -> None:
        """Make ready; raises MethodUnavailable with one sentence where that is impossible."""

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the record of a run must hold: sampler, steps after defaults, window; empty where there is none."""

    def reconstruct(
        self, source: np.ndarray, driving: Iterator[np.ndarray], context: ClipContext
    ) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3) source and driving frames -> as many uint8 (H, W, 3) frames, lazily."""

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3) source and float32 mono 16 kHz -> `frames` frames at 25 fps, lazily."""


def clip_seed(run_seed: int, method: str, clip: str) -> int:
    """31-bit seed of one (run, method, clip), the same in every process and on every machine."""
    text = f"{run_seed}\0{method}\0{clip}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & 0x7FFFFFFF


def trained_size(weights: Path | None) -> str | None:
    """The size a rival was trained at by `python -m baselines.training`; None for a folder of other weights."""
    if weights is None:
        return None
    try:
        return json.loads((Path(weights) / "config.json").read_text())["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def method_ids() -> list[str]:
    """Ids of all methods that have a folder."""
    files = (path for root in baselines.__path__ for path in Path(root).glob("*/method.py"))
    return sorted(path.parent.name.replace("_", "-") for path in files)


def make_method(method: str) -> Method:
    """A fresh, unloaded method. Raises ValueError for an unknown id or a folder that breaks the contract."""
    if method not in method_ids():
        raise ValueError(f"no method {method!r} in baselines/; known: {', '.join(method_ids())}")
    folder = method.replace("-", "_")
    factory: Callable[[], Method] | None = getattr(
        importlib.import_module(f"baselines.{folder}.method"), "Method", None
    )
    if factory is None:
        raise ValueError(f"baselines/{folder}/method.py defines no class Method")
    made = factory()
    missing = [name for name in _REQUIRED if not hasattr(made, name)]
    if missing:
        raise ValueError(f"baselines/{folder}/method.py: class Method lacks {', '.join(missing)}")
    unknown = set(made.tasks) - set(TASKS)
    if unknown or made.kind not in KINDS:
        raise ValueError(f"baselines/{folder}/method.py: tasks must be among {TASKS}, kind one of {KINDS}")
    return made


_REQUIRED = (
    "name",
    "tasks",
    "weights",
    "sizes",
    "labels",
    "kind",
    "needs_truth",
    "load",
    "settings",
    "reconstruct",
    "talk",
)
