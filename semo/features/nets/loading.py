"""Weights from files into modules: tensors only, every key used, none missing."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from semo.errors import MediaError

Module = TypeVar("Module", bound=nn.Module)


def read_tensors(path: Path) -> dict[str, Any]:
    """The content of a torch file that holds tensors and plain containers only. Raises MediaError for anything else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise MediaError(f"{path}: cannot be read as a file of tensors; fetch it again") from error
    if not isinstance(content, Mapping):
        raise MediaError(f"{path}: holds no table of tensors; fetch it again")
    return dict(content)


def filled(module: Module, tensors: Mapping[str, torch.Tensor], path: Path, device: str = "cpu") -> Module:
    """`module` with exactly these tensors, in inference mode. Raises MediaError where keys or shapes differ."""
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise MediaError(f"{path}: its tensors are not those of {type(module).__name__}; fetch it again") from error
    return module.eval().requires_grad_(False).to(device)
