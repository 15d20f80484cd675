"""Official files of U-Nets: AnimateAnyone's heirs publish the motion modules apart from the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from baselines.checkpoints import CheckpointError, load_modules, read_checkpoint

PREFIX = "module."  # of networks saved from DataParallel


def load_files(modules: Mapping[str, nn.Module], files: Mapping[str, Sequence[Path]]) -> None:
    """Fill each module from its bare state dicts, which share no key and together have every key and shape of it.

    Raises CheckpointError with the file and what differs.
    """
    for name, parts in files.items():
        state: dict[str, Any] = {}
        for path in parts:
            part = {key.removeprefix(PREFIX): value for key, value in read_checkpoint(path).items()}
            if twice := sorted(state.keys() & part.keys()):
                raise CheckpointError(f"{path.name}: holds {twice[0]}, which {parts[0].name} holds too")
            state |= part
        load_modules({name: modules[name]}, {name: state}, " + ".join(path.name for path in parts))
