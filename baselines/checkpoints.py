"""Checkpoint files of the rivals: read without running anything in them, loaded only where every tensor fits.

Official files are of several ages: zip files, the older format that torch 1.0 wrote under names such as
`vox-cpk.pth.tar`, and safetensors. Whatever they hold beside the networks of inference (discriminators, Adam's
moments, an epoch, the arguments of a training run) is read as plain data and left alone.
"""

from __future__ import annotations

import argparse
import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semo.video_writer import replaced_when_complete

NOT_WEIGHTS = {  # first bytes of what is often downloaded in place of a checkpoint
    b"version https://git-lfs": "is a Git LFS pointer, not the weights",
    b"<!doctype html": "is a web page, not the weights",
    b"<html": "is a web page, not the weights",
}
SAFE: list[Any] = [argparse.Namespace]  # plain data: loading one sets attributes and runs nothing


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; one sentence with the file, what is wrong and what to do."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, tensors on the CPU: nested as it was saved, or flat for safetensors.

    Raises CheckpointError for a missing, truncated or foreign file, and for one that would run code when read.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint; see the method's README for where it comes from")
    _refuse_foreign(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(SAFE):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_why_refused(str(error))}") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, OSError, KeyError, IndexError) as error:
        raise CheckpointError(f"{path}: is truncated or damaged; download it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not the tensors of a network by name")
    return content


def _refuse_foreign(path: Path) -> None:
    """Raise CheckpointError for what is no checkpoint at all."""
    with open(path, "rb") as file:
        start = file.read(64)
    for mark, sentence in NOT_WEIGHTS.items():
        if start.lstrip().lower().startswith(mark):
            raise CheckpointError(f"{path}: {sentence}; download it again")
    if path.suffix != ".safetensors" and not zipfile.is_zipfile(path) and tarfile.is_tarfile(path):
        raise CheckpointError(f"{path}: is a tar file, which torch wrote before 0.2; save its tensors as safetensors")


def _why_refused(message: str) -> str:
    """What torch's restricted unpickler did not accept, as the end of a sentence."""
    if name := re.search(r"GLOBAL ([\w.]+)", message):
        return f"would run code when read ({name.group(1)}); nothing in it was run, take the official file"
    return "is damaged, or no checkpoint of torch; download it again"


def load_modules(modules: Mapping[str, nn.Module], states: Mapping[str, Any], where: str) -> None:
    """Fill `modules` from `states`, whose top-level names are those of the modules; other names are left alone.

    `states[name]` is a state dict, or `states` is flat with keys `name.key`. The prefix `module.` of networks saved
    from DataParallel is dropped. Every key and shape must be that of the module, or nothing is loaded and one
    CheckpointError, which begins with `where`, says what differs.
    """
    found = {name: state_of(states, name) for name in modules}
    absent = [name for name, state in found.items() if not state]
    if absent:
        held = ", ".join(_top_level(states)[:8]) or "nothing"
        raise CheckpointError(
            f"{where}: has no {', '.join(absent)} but {held}; it is the checkpoint of another method or training stage"
        )
    for name, module in modules.items():
        if problem := difference(module, found[name]):
            raise CheckpointError(f"{where}: {name} {problem}")
    for name, module in modules.items():
        module.load_state_dict(found[name])


def state_of(states: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The state dict of one module without DataParallel's prefix; empty where there is none."""
    if isinstance(states.get(name), Mapping):
        state = dict(states[name])
    else:
        state = {key.removeprefix(f"{name}."): value for key, value in states.items() if key.startswith(f"{name}.")}
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def difference(module: nn.Module, state: Mapping[str, Any]) -> str | None:
    """How a state dict differs from the module's own, as the end of a sentence; None where it fits."""
    own = module.state_dict()
    missing, extra = [key for key in own if key not in state], [key for key in state if key not in own]
    if len(missing) > len(own) / 2:
        return (
            f"lacks {len(missing)} of {len(own)} tensors, the first {missing[0]}; it is the checkpoint of another "
            "method or version"
        )
    if missing:
        return f"lacks {_named(missing)}; take the complete official file"
    if extra:
        return f"holds {_named(extra)} that this network does not have; it is of another version or configuration"
    for key, tensor in own.items():
        if not isinstance(state[key], Tensor):
            return f"holds a {type(state[key]).__name__} as {key}, not a tensor"
        if state[key].shape != tensor.shape:
            return (
                f"has {key} of shape {tuple(state[key].shape)}, needed is {tuple(tensor.shape)}; it was trained at "
                "another size or resolution"
            )
    return None


def save_modules(modules: Mapping[str, nn.Module], path: Path) -> None:
    """Write modules as one safetensors file with keys `name.key`, which `load_modules` reads back."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    with replaced_when_complete(path) as partial:
        save_file(tensors, partial)


def _named(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{len(keys)} tensors, the first {keys[0]},"


def _top_level(states: Mapping[str, Any]) -> list[str]:
    names = (key if isinstance(value, Mapping) else key.split(".")[0] for key, value in states.items())
    return list(dict.fromkeys(names))
