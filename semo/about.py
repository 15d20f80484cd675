"""What is installed and at hand: versions, device, released and outside networks, data sets, methods."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from semo.datasets import DATASETS_FILE, Dataset, read_dataset, video_files
from semo.errors import DatasetError
from semo.planned import methods_of, planned_run
from semo.registry import PROJECT, WEIGHTS_FILE, locate, read_weight

if TYPE_CHECKING:
    from plan.methods import Plugin

PACKAGES = ("semo", "torch", "diffusers", "transformers", "accelerate", "snakemake",
            "snakemake-executor-plugin-slurm", "dvc", "av", "opencv-python-headless", "numpy")
Rows = Iterator[tuple[str, str]]


def sections(config: Path | None = None) -> Iterator[tuple[str, Rows]]:
    """(title, rows of name and value) for people; `config`: the settings whose run is described (mini.yaml)."""
    yield "Installed", installed()
    yield "Networks", networks()
    yield "Data sets", data_sets()
    yield "Methods", methods()
    yield f"Run of {config.name if config else 'mini.yaml'}", planned_run(config)


def installed() -> Rows:
    """Versions, device, released weights."""
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


def networks() -> Rows:
    """Every entry of weights.yaml: where it is, or how it comes."""
    for name in yaml.safe_load(WEIGHTS_FILE.read_text())["weights"]:
        yield name, _network(name)


def data_sets() -> Rows:
    """Every entry of datasets.yaml: whether its videos are here, or what to do for them."""
    for name in yaml.safe_load(DATASETS_FILE.read_text())["datasets"]:
        dataset = read_dataset(name)
        yield name, _data_set(dataset)


def methods() -> Rows:
    """Every method: its tasks and the sizes that can run here."""
    for name, plugin in methods_of(PROJECT).items():
        yield name, f"{', '.join(plugin.tasks)}: {_sizes(plugin)}"


def _sizes(plugin: Plugin) -> str:
    if plugin.kind == "control":
        return "with the model of the run"
    if not plugin.trainable:
        return "any size"
    absent = [weight for weight in plugin.weights if not _is_here(weight)]
    return "mini, trained by the run" + (f"; official: semo fetch {absent[0]}" if absent else "; official")


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
        by_hand = " says where to get it by hand" if read_weight(name).manual else ""
        return f"not here: semo fetch {name}{by_hand}"
    return f"in {Path(next(iter(paths.values()))).parent}"


def _is_here(name: str) -> bool:
    try:
        return bool(locate(name))
    except DatasetError:
        return False


def _data_set(dataset: Dataset) -> str:
    try:
        folder = dataset.folder
    except DatasetError as error:
        return f"not here: {str(error).split(': ', 1)[1]}"
    record = PROJECT / "data/raw" / dataset.id / "fetched.json"
    if dataset.source == "shipped":
        return f"in {dataset.path}" if (folder / "corpus.tsv").is_file() else f"not here: restore {dataset.path} by git"
    if record.is_file():
        return f"complete, {json.loads(record.read_text())['clips']} clips, in {folder}"
    if dataset.source == "folder" and folder.is_dir():
        return f"{len(video_files(dataset))} videos in {folder}"
    if folder.is_dir():
        return f"in {folder}, not checked yet: python data/fetch.py {dataset.id}"
    asked = "on application" if dataset.source == "restricted" else "fetched by the run"
    return f"not here: {asked} ({dataset.page or dataset.path}); data/README.md says how"
