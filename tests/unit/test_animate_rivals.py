"""`semo animate` with a rival: which weights it takes, relative motion, one sentence where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.checkpoints import save_modules
from baselines.method import make_method
from baselines.training.__main__ import part, trainable
from semo import registry
from semo.media import read_frames, write_preview
from tests.unit.media_samples import astronaut, astronaut_video
from tests.unit.test_cli import refused, run

METHODS = [name for name in trainable() if "reconstruct" in make_method(name).tasks]


def trained(method: str, folder: Path) -> Path:
    """Untrained networks at mini in the form a training leaves."""
    config = part(method, "config")
    torch.manual_seed(0)
    save_modules(config.build(config.SIZES["mini"]), folder / "model.safetensors")
    record = {"method": method, "size": "mini", "frame_size": 64, "training": {"steps": 1}}
    (folder / "config.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    Image.fromarray(astronaut()).save(folder / "face.png")
    astronaut_video(folder / "drive.mp4")
    write_preview(folder / "one.mp4", np.zeros((1, 64, 64, 3), np.uint8))
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_rival_animates_a_portrait(method: str, inputs: Path, tmp_path: Path) -> None:
    model = trained(method, tmp_path / "model")
    made = []
    for motion in ("relative", "absolute"):
        out = tmp_path / f"{motion}.mkv"
        done = run("animate", inputs / "face.png", inputs / "drive.mp4", "-o", out, "--method", method,
                   "--model", model, "--motion", motion, "--device", "cpu")  # fmt: skip
        assert done.exit_code == 0, done.output
        made.append(read_frames(out))
    assert made[0].shape == made[1].shape and made[0].shape[1] == made[0].shape[2]
    default = tmp_path / "default.mkv"
    run("animate", "--method", method, inputs / "face.png", inputs / "drive.mp4", "-o", default, "--model", model)
    assert np.array_equal(read_frames(default), made[0])


def test_what_is_missing_is_one_sentence(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "STORE", tmp_path / "store")
    ours = (inputs / "face.png", inputs / "drive.mp4", "-o", tmp_path / "o.mp4")
    model = trained("fomm", tmp_path / "model")
    for words, arguments in (
        ("`semo fetch fomm` says where it is published", ("--method", "fomm")),
        ("of FOMM (official) has no vox-cpk.pth.tar", ("--method", "fomm", "--model", tmp_path)),
        ("region_predictor but generator, kp_detector", ("--method", "mraa", "--model", model)),
        ("motion 'sideways' is unknown", ("--method", "fomm", "--model", model, "--motion", "sideways")),
        ("knows one kind of motion: leave out --motion", ("--method", "copy-reference", "--motion", "relative")),
        ("--option 'stitching' is not of the form key=value", ("--method", "fomm", "--model", model, "--option",
                                                               "stitching")),
    ):  # fmt: skip
        refused(words, "animate", *ours, *arguments)
    assert not (tmp_path / "o.mp4").exists()
    out = tmp_path / "one.mp4"
    refused("motion needs at least 2", "animate", inputs / "face.png", inputs / "one.mp4", "-o", out,
            "--method", "fomm", "--model", model)  # fmt: skip
    assert not out.exists()


def test_official_files_are_taken_from_the_store(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here with networks of the toy size: what is loaded is what the store holds."""
    from baselines.fomm.config import SIZES, build

    monkeypatch.setattr(registry, "STORE", tmp_path / "store")
    monkeypatch.setitem(SIZES, "official", SIZES["mini"])
    folder = tmp_path / "store/fomm"
    folder.mkdir(parents=True)
    torch.save({name: net.state_dict() for name, net in build(SIZES["mini"]).items()}, folder / "vox-cpk.pth.tar")
    arguments = ("animate", inputs / "face.png", inputs / "drive.mp4", "-o", tmp_path / "o.mkv", "--method", "fomm")
    refused("semo fetch fomm", *arguments)
    (folder / "fetched.json").write_text("{}")
    assert run(*arguments).exit_code == 0
