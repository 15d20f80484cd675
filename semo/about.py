"""What is installed and at hand: versions, device, released and outside networks."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from semo.errors import DatasetError
from semo.registry import WEIGHTS_FILE, locate

PACKAGES = ("semo", "torch", "diffusers", "transformers", "av", "opencv-python-headless", "numpy")


def facts() -> Iterator[tuple[str, str]]:
    """Pairs (name, value) for people: one line each."""
    import torch

    yield "python", platform.python_version()
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed as a package"
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    yield "device", f"{device}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    yield "released", _released()
    for name in yaml.safe_load(WEIGHTS_FILE.read_text())["weights"]:
        yield name, _network(name)


def _released() -> str:
    from semo.pipeline import released

    try:
        folder = released()
    except (OSError, ValueError) as error:
        return f"no: {error}"
    data = json.loads((folder / "pipeline.json").read_text())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return f"{folder.name}, {data['frame_size']} px, {size:.1f} MB, in {folder}"


def _network(name: str) -> str:
    try:
        paths = locate(name)
    except DatasetError:
        return f"not here: semo fetch {name}"
    return f"in {Path(next(iter(paths.values()))).parent}"
