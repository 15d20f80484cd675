"""LivePortrait: official files and the method contract, at `mini` size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.blocks.animate import animate
from baselines.checkpoints import save_modules
from baselines.liveportrait import method as method_module
from baselines.liveportrait.animate import LivePortraitAnimator
from baselines.liveportrait.config import EYES, LIPS, STITCHING
from baselines.method import MethodUnavailable, make_method
from semo import registry
from tests.unit.liveportrait_samples import CONTEXT, WITH_RETARGETING, animator, clip, networks


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder as the authors publish it, with networks of toy size."""
    monkeypatch.setitem(method_module.SIZES, "official", WITH_RETARGETING)
    base, small = tmp_path / "liveportrait" / "base_models", tmp_path / "liveportrait" / "retargeting_models"
    base.mkdir(parents=True)
    small.mkdir()
    modules = networks(WITH_RETARGETING)
    for name in LivePortraitAnimator.used:
        torch.save(modules[name].state_dict(), base / f"{name}.pth")
    wrapped = {
        key: {f"module.{name}": value for name, value in modules[part].state_dict().items()}
        for part, key in ((STITCHING, "retarget_shoulder"), (LIPS, "retarget_mouth"), (EYES, "retarget_eye"))
    }
    torch.save(wrapped, small / "stitching_retargeting_module.pth")
    return tmp_path


def flat(folder: Path) -> Path:
    """The same files side by side."""
    together = folder / "together"
    together.mkdir()
    for path in folder.rglob("*.pth"):
        path.rename(together / path.name)
    return together


@pytest.mark.parametrize("arrange", [lambda folder: folder, lambda folder: folder / "liveportrait/base_models", flat])
def test_official_files_load_from_where_they_lie(official: Path, arrange: Any) -> None:
    player = make_method("liveportrait")
    player.load(arrange(official), "official", "cpu")
    assert player.kind == "other" and player.settings({"stitching": True})["stitching"] is True
    frames = clip(3)
    for options in ({}, {"stitching": True, "eyes": [0.3, 0.3, 0.1], "lips": [0.0, 0.2]}):
        made = list(player.reconstruct(frames[0], iter(frames), replace(CONTEXT, options=options)))
        expected = animate(animator(config=WITH_RETARGETING).edited(**options), frames[0], iter(frames))
        assert np.array_equal(made, list(expected))


def test_without_the_small_networks_all_but_corrections_works(official: Path) -> None:
    (official / "liveportrait/retargeting_models/stitching_retargeting_module.pth").unlink()
    player, frames = make_method("liveportrait"), clip(2)
    player.load(official, "official", "cpu")
    assert len(list(player.reconstruct(frames[0], iter(frames), CONTEXT))) == 2
    with pytest.raises(ValueError, match="have no stitching_retargeting/stitching"):
        player.reconstruct(frames[0], iter(frames), replace(CONTEXT, options={"stitching": True}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def replaced(path: Path) -> None:
    torch.save(networks()["motion_extractor"].state_dict(), path)


def without_one(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content.popitem()
    torch.save(content, path)


@pytest.mark.parametrize(("damage", "file", "says"), [
    (cut, "base_models/spade_generator.pth", "spade_generator.pth: is truncated"),
    (Path.unlink, "base_models/motion_extractor.pth", "there is no such checkpoint"),
    (Path.unlink, "base_models/warping_module.pth", "has no warping_module.pth"),
    (replaced, "base_models/spade_generator.pth", "checkpoint of another method"),
    (without_one, "base_models/warping_module.pth", "lacks fourth.bias; take the complete official file"),
    (without_one, "retargeting_models/stitching_retargeting_module.pth", "has no stitching_retargeting/eye"),
])
def test_wrong_official_files_are_one_sentence(official: Path, damage: Any, file: str, says: str) -> None:
    damage(official / "liveportrait" / file)
    with pytest.raises(MethodUnavailable, match=says):
        make_method("liveportrait").load(official, "official", "cpu")


def test_the_register_stores_published_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names on the hub have folders in front; they end up below the network's own folder once, not twice."""
    weight = registry.read_weight("liveportrait")
    assert len(weight.files) == 5 and weight.hub == "KwaiVGI/LivePortrait"

    def download(repository: str, name: str, local_dir: Path) -> None:
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"tensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    table = tmp_path / "weights.yaml"
    names = "".join(f"      - name: {item.name}\n" for item in weight.files)
    table.write_text(f"weights:\n  toy:\n    role: r\n    licence: l\n    page: p\n    hub: a/b\n    files:\n{names}")
    folder = registry.fetch_weight("toy", file=table, store=tmp_path / "store")
    assert all((folder / item.name).read_bytes() == b"tensors" for item in weight.files)


def trained(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    save_modules(networks(), folder / "model.safetensors")
    content = {"method": "liveportrait", "size": "mini", "frame_size": 64, "training": {"steps": 7}} | record
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_method_of_a_training(tmp_path: Path) -> None:
    player = make_method("liveportrait")
    player.load(trained(tmp_path / "model"), "mini", "cpu")
    assert player.kind == "scratch" and player.tasks == ("reconstruct",)
    assert player.settings({}) == {"motion": "absolute", "trained": "7 steps"}
    frames = clip(3)
    made = list(player.reconstruct(frames[0], iter(frames), CONTEXT))
    assert np.array_equal(made, list(animate(animator(), frames[0], iter(frames))))
    with pytest.raises(MethodUnavailable, match="not by sound"):
        player.talk(frames[0], np.zeros(16000, np.float32), 25, CONTEXT)


def test_method_says_what_it_lacks(tmp_path: Path) -> None:
    player = make_method("liveportrait")
    with pytest.raises(MethodUnavailable, match="not loaded"):
        player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT)
    with pytest.raises(MethodUnavailable, match="semo fetch liveportrait"):
        player.load(None, "official", "cpu")
    for size in ("mini", "official"):
        with pytest.raises(MethodUnavailable, match=f"the weights folder absent of .* \\({size}\\) has no "):
            player.load(tmp_path / "absent", size, "cpu")
    with pytest.raises(MethodUnavailable, match="fomm at size mini, not liveportrait at mini"):
        player.load(trained(tmp_path / "other", method="fomm"), "mini", "cpu")
