"""Checkpoints of every format are read without running anything, and load only where every tensor fits."""

from __future__ import annotations

import argparse
import os
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
from torch import nn

from baselines.checkpoints import CheckpointError, load_modules, read_checkpoint, save_modules


def networks(width: int = 4, layers: int = 2) -> dict[str, nn.Module]:
    """Two small networks, the second with running statistics."""
    torch.manual_seed(width)
    deep = [nn.Sequential(nn.Conv2d(3 if i == 0 else width, width, 3), nn.BatchNorm2d(width)) for i in range(layers)]
    return {"generator": nn.Sequential(*deep), "kp_detector": nn.Linear(width, 2)}


def saved(path: Path, modules: dict[str, nn.Module], legacy: bool = False, **beside: object) -> Path:
    """A training file: the networks, their Adam moments and whatever else is given."""
    optimiser = torch.optim.Adam(modules["kp_detector"].parameters())
    modules["kp_detector"](torch.ones(1, modules["kp_detector"].in_features)).sum().backward()
    optimiser.step()
    content = {name: module.state_dict() for name, module in modules.items()}
    content |= {"discriminator": nn.Linear(2, 2).state_dict(), "optimizer_generator": optimiser.state_dict()}
    torch.save(content | {"epoch": 99} | beside, path, _use_new_zipfile_serialization=not legacy)
    return path


def assert_equal(ours: dict[str, nn.Module], theirs: dict[str, nn.Module]) -> None:
    for name, module in theirs.items():
        for key, value in module.state_dict().items():
            assert torch.equal(ours[name].state_dict()[key], value), (name, key)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "torch-1.0"])
def test_a_training_file_loads_unchanged(tmp_path: Path, legacy: bool) -> None:
    """With Adam moments, a discriminator, an epoch and the arguments of the run, as LIA's training files have."""
    theirs = networks()
    args = argparse.Namespace(size=256, channel_multiplier=1, lr=2e-3)
    path = saved(tmp_path / "vox.pth.tar", theirs, legacy, args=args)
    ours = {name: module.apply(_zero) for name, module in networks().items()}
    states = read_checkpoint(path)
    load_modules(ours, states, "vox.pth.tar")
    assert_equal(ours, theirs)
    assert states["args"].size == 256 and states["epoch"] == 99


def test_safetensors_round_trip(tmp_path: Path) -> None:
    theirs, ours = networks(), {name: module.apply(_zero) for name, module in networks().items()}
    save_modules(theirs, tmp_path / "model.safetensors")
    load_modules(ours, read_checkpoint(tmp_path / "model.safetensors"), "model")
    assert_equal(ours, theirs)


def test_the_prefix_of_data_parallel_is_dropped(tmp_path: Path) -> None:
    theirs, ours = networks(), {name: module.apply(_zero) for name, module in networks().items()}
    wrapped = {name: {f"module.{k}": v for k, v in module.state_dict().items()} for name, module in theirs.items()}
    load_modules(ours, wrapped, "stitching.pth")
    assert_equal(ours, theirs)


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        (
            {"gen": {"a": torch.ones(1)}, "g_optim": {}},
            "x.pt: has no generator, kp_detector but gen, g_optim; it is the checkpoint of another method",
        ),
        ({"generator": networks()["generator"].state_dict()}, "x.pt: has no kp_detector but generator;"),
        ({"a": {"weight": torch.ones(1)}}, "x.pt: has no generator, kp_detector but a;"),
        ({}, "x.pt: has no generator, kp_detector but nothing;"),
    ],
)
def test_another_method_is_named(states: dict, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=f"^{sentence}"):
        load_modules(networks(), states, "x.pt")


def states_with(change: str) -> dict[str, dict]:
    states = {name: module.state_dict() for name, module in networks().items()}
    if change == "missing":
        del states["generator"]["1.0.bias"]
    elif change == "several missing":
        del states["generator"]["1.0.bias"], states["generator"]["1.1.weight"]
    elif change == "extra":
        states["generator"]["2.weight"] = torch.ones(1)
    elif change == "resolution":
        states["generator"]["0.0.weight"] = torch.ones(8, 3, 3, 3)
    elif change == "other networks":
        states["generator"] = {f"encoder.{k}": v for k, v in states["generator"].items()}
    elif change == "no tensor":
        states["kp_detector"]["bias"] = [0.0, 1.0]
    return states


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("missing", "x.pt: generator lacks 1.0.bias; take the complete official file"),
        ("several missing", "x.pt: generator lacks 2 tensors, the first 1.0.bias,"),
        ("extra", "x.pt: generator holds 2.weight that this network does not have"),
        ("resolution", r"x.pt: generator has 0.0.weight of shape \(8, 3, 3, 3\), needed is \(4, 3, 3, 3\)"),
        ("other networks", "x.pt: generator lacks 14 of 14 tensors, the first 0.0.weight; it is the checkpoint of"),
        ("no tensor", "x.pt: kp_detector holds a list as bias, not a tensor"),
    ],
)
def test_what_differs_is_one_sentence_and_nothing_is_loaded(change: str, sentence: str) -> None:
    ours = networks()
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in ours.items()}
    with pytest.raises(CheckpointError, match=f"^{sentence}") as refused:
        load_modules(ours, states_with(change), "x.pt")
    assert "\n" not in str(refused.value)
    for name, module in ours.items():
        assert all(torch.equal(value, before[name][key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("kept", [0, 10, 400, -200])
@pytest.mark.parametrize("form", ["zip", "torch-1.0", "safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, form: str, kept: int) -> None:
    path = tmp_path / ("m.safetensors" if form == "safetensors" else "m.pth")
    if form == "safetensors":
        save_modules(networks(), path)
    else:
        saved(path, networks(), legacy=form == "torch-1.0")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="(truncated or damaged|is damaged).*download it again"):
        read_checkpoint(path)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_file_is_run(tmp_path: Path, legacy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    torch.save({"generator": Malicious()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"bad.pth: would run code when read \(\w+.system\); nothing in it was"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps({"generator": Malicious()}))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert not Path("ran").exists()


def test_what_is_no_checkpoint_says_so(tmp_path: Path) -> None:
    pointer = tmp_path / "vox256.pth"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a8c5\nsize 291747542\n")
    page = tmp_path / "vox.pt"
    page.write_text("<!DOCTYPE html><html><title>Virus scan warning</title></html>")
    archive = tmp_path / "vox-cpk.pth.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(page, "storages")
    listed = tmp_path / "list.pth"
    torch.save([torch.ones(1)], listed)
    for path, words in ((pointer, "Git LFS pointer"), (page, "web page"), (archive, "tar file"), (listed, "a list"),
                        (tmp_path / "absent.pth", "no such checkpoint")):  # fmt: skip
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(path)


def _zero(module: nn.Module) -> None:
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        tensor.data.zero_()
