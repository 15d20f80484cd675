"""Opens the networks that metrics need, from verified files, and says which cannot be had here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from semo.errors import DatasetError
from semo.features import all_networks, network
from semo.features.base import SHIPPED, Network
from semo.provenance import sha256_file
from semo.registry import locate


@dataclass(frozen=True)
class Opened:
    """A network ready to run; `sha256` names weights and preprocessing together with the network's name."""

    network: Network
    weights_sha256: str
    sha256: str


def network_files(name: str, weights_dir: Path | None = None) -> dict[str, Path]:
    """File name -> verified path of everything a network needs. Raises DatasetError saying what is missing."""
    if name not in all_networks():
        raise DatasetError(f"no network {name!r} in semo/features")
    kind = network(name)
    files: dict[str, Path] = {}
    for weight in kind.weights:
        files |= locate(weight, weights_dir)
    for shipped in kind.shipped:
        path = SHIPPED / shipped
        if not path.is_file():
            raise DatasetError(f"{path.name}, which comes with the project, is missing; restore it with git")
        files[shipped] = path
    return files


def open_network(name: str, weights_dir: Path | None = None, device: str = "cpu") -> Opened:
    """Load one network. Raises DatasetError where its files are not here or are not what they should be."""
    files = network_files(name, weights_dir)
    weights = hashlib.sha256("".join(f"{n}\0{sha256_file(files[n])}\n" for n in sorted(files)).encode()).hexdigest()
    kind = network(name)
    identity = hashlib.sha256(f"{name}\0{kind.protocol}\0{weights}".encode()).hexdigest()
    return Opened(kind(files, device), weights, identity)


def why_absent(names: Iterable[str], weights_dir: Path | None = None) -> dict[str, str]:
    """Network -> why it cannot be opened here, for those that cannot; nothing is loaded."""
    absent = {}
    for name in names:
        try:
            network_files(name, weights_dir)
        except DatasetError as error:
            absent[name] = str(error)
    return absent
