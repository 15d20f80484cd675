"""Official weight files into our networks."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from semo.errors import DatasetError

Network = TypeVar("Network", bound=nn.Module)


def load(network: Network, path: Path, device: str) -> Network:
    """Fill `network` from a file of tensors, every key of it and no other. Raises DatasetError of one sentence."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, pickle.UnpicklingError, AttributeError, TypeError) as error:
        reason, name = " ".join(str(error).split())[:200], type(network).__name__
        raise DatasetError(f"{path}: holds no weights of {name} ({reason}); fetch it again") from error
    return network.eval().requires_grad_(False).to(device)
