"""SadTalker behind the contract: frames from sound, sound of any length, options, official files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from baselines.checkpoints import save_modules
from baselines.inputs.face import Face
from baselines.method import ClipContext, ClipFailure, MethodUnavailable, make_method
from baselines.sadtalker import method as method_module
from baselines.sadtalker.config import SIZES, build
from baselines.sadtalker.generate import Talker, Wishes
from semo import registry
from tests.unit.sadtalker_samples import RATE, face, networks, portrait, speech

pytestmark = pytest.mark.usefixtures("one_thread")


def talker(fast: bool = True) -> Talker:
    return Talker(networks(), SIZES["mini"], fast)


SOURCE = torch.from_numpy(face().coefficients())


def test_coefficients_depend_on_the_seed_and_the_wishes_alone() -> None:
    player, sound = talker(), speech(2)
    made = player.coefficients(SOURCE, sound, 50, 7)
    assert made.shape == (50, 70)
    assert torch.equal(made, talker().coefficients(SOURCE, sound, 50, 7))
    other = player.coefficients(SOURCE, sound, 50, 8)
    assert not torch.equal(other[:, 64:], made[:, 64:]) and not torch.equal(other[:, :64], made[:, :64])
    still = player.coefficients(SOURCE, sound, 50, 7, Wishes(still=True))
    assert torch.equal(still[:, 64:], SOURCE[:, 64:].expand(50, 6)) and torch.equal(still[:, :64], made[:, :64])
    doubled = player.coefficients(SOURCE, sound, 50, 7, Wishes(expression_scale=2.0))
    torch.testing.assert_close(doubled[:, :64], 2 * made[:, :64])
    styled = player.coefficients(SOURCE, sound, 50, 7, Wishes(pose_style=45))
    assert not torch.allclose(styled[:, 64:], made[:, 64:])


def test_frames_do_not_depend_on_the_batch() -> None:
    player = talker()
    made = player.coefficients(SOURCE, speech(0.5), 12, 0)
    together = np.stack(list(player.frames(portrait(), SOURCE, made)))
    player.batch = 5
    apart = np.stack(list(player.frames(portrait(), SOURCE, made)))
    plain = np.stack(list(talker(fast=False).frames(portrait(), SOURCE, made)))
    for other in (apart, plain):  # rounding of float32 moves a value across the middle of two levels at most
        assert np.abs(together.astype(int) - other).max() <= 1


def mini_folder(folder: Path, **record: Any) -> Path:
    save_modules(networks(), folder / "model.safetensors")
    content = {"method": "sadtalker", "size": "mini", "training": {"steps": 3, "stages": ["renderer", "sound"]}}
    (folder / "config.json").write_text(json.dumps(content | record))
    return folder


def context(seed: int = 0, **options: Any) -> ClipContext:
    return ClipContext("clip", seed, options=options, annotations={"face": face})


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = make_method("sadtalker")
    made.load(mini_folder(tmp_path_factory.mktemp("mini")), "mini", "cpu")
    return made


def test_mini_talks(method: Any) -> None:
    assert method.tasks == ("talk",) and method.needs_face and method.kind == "scratch" and method.labels
    source = portrait((48, 80))
    made = np.stack(list(method.talk(source, speech(1), 25, context())))
    assert made.shape == (25, 48, 80, 3) and made.dtype == np.uint8
    np.testing.assert_array_equal(made, np.stack(list(method.talk(source, speech(1), 25, context()))))
    assert (made != np.stack(list(method.talk(source, speech(1), 25, context(1))))).any()
    pasted = np.stack(list(method.talk(portrait((200, 200)), speech(0.2), 5, context(preprocess="crop"))))
    assert pasted.shape == (5, 200, 200, 3) and (pasted[:, -1, -1] == portrait((200, 200))[-1, -1]).all()
    assert method.settings({}) == {"preprocess": "resize", "pose_style": 0, "trained": "renderer 3 + sound 3 steps"}
    assert method.settings({"still": True, "expression_scale": 1.5})["still"]
    everything = sum(p.numel() for module in build(SIZES["mini"]).values() for p in module.parameters())
    assert 0 < method.parameters("talk") < everything


@pytest.mark.parametrize("frames", (1, 2, 3, 14, 40))
@pytest.mark.parametrize("sound", (0.0, 0.03, 3.0))
def test_sound_of_any_length(method: Any, frames: int, sound: float) -> None:
    made = list(method.talk(portrait(), speech(sound), frames, context()))
    assert len(made) == frames and made[0].shape == (64, 64, 3)


def test_silence_moves_nothing_wild(method: Any) -> None:
    made = np.stack(list(method.talk(portrait(), np.zeros(RATE, np.float32), 25, context())))
    assert len(made) == 25 and np.isfinite(made).all()


def test_frames_come_lazily(method: Any) -> None:
    """The first frames of an hour cost no hour of pictures."""
    frames = method.talk(portrait(), speech(1), 1000, context())
    taken = [next(frames) for _ in range(2)]
    frames.close()
    assert len(taken) == 2


WRONG = {
    "pose_style": (46, "pose_style is a number from 0 to 45"),
    "expression_scale": (-1, "expression_scale is a number from 0"),
    "preprocess": ("full", "preprocess 'full' is unknown; there are resize, crop"),
}


@pytest.mark.parametrize("option", WRONG)
def test_wrong_options_are_named(method: Any, option: str) -> None:
    value, said = WRONG[option]
    with pytest.raises(ValueError, match=said):
        method.talk(portrait(), speech(1), 25, context(**{option: value}))


def test_a_portrait_without_a_face_fails_its_clip(method: Any) -> None:
    def nobody() -> Face:
        raise ClipFailure("no face is found in the portrait")

    with pytest.raises(ClipFailure, match="no face"):
        next(method.talk(portrait(), speech(1), 25, ClipContext("clip", 0, annotations={"face": nobody})))


def test_loading_refuses_in_one_sentence(tmp_path: Path) -> None:
    refusals = {
        "needs the folder of its training": (None, "mini"),
        "has no model.safetensors": (tmp_path, "mini"),
        "has no SadTalker_V0.0.2_256.safetensors": (tmp_path, "official"),
        "semo fetch sadtalker": (None, "official"),
        "holds fomm at size mini": (mini_folder(tmp_path / "other", method="fomm"), "mini"),
    }
    (tmp_path / "lfs").mkdir()
    (tmp_path / "lfs" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    refusals["Git LFS pointer"] = (tmp_path / "lfs", "mini")
    for said, (folder, size) in refusals.items():
        with pytest.raises(MethodUnavailable, match=said):
            make_method("sadtalker").load(folder, size, "cpu")
    with pytest.raises(MethodUnavailable, match="not loaded"):
        make_method("sadtalker").talk(portrait(), speech(1), 25, context())


def test_official_files_load_by_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One flat file of five networks, the mapping network in a file with an optimiser: here at toy size."""
    toy = replace(SIZES["mini"], face_recon=True)
    monkeypatch.setitem(method_module.SIZES, "official", toy)
    modules = networks(toy)
    main = {name: module for name, module in modules.items() if name != "mapping"}
    save_modules(main, tmp_path / method_module.Method.official_file)
    content = {"mapping": modules["mapping"].state_dict(), "optimizer": {"state": {}}, "epoch": 229}
    player = make_method("sadtalker")
    with pytest.raises(MethodUnavailable, match="mapping_00229-model.pth.tar: there is no such checkpoint"):
        player.load(tmp_path, "official", "cpu")
    torch.save(content, tmp_path / method_module.MAPPING_FILE)
    player.load(tmp_path, "official", "cpu")
    assert player.kind == "other"
    made = list(player.talk(portrait(), speech(0.1), 2, context()))  # coefficients are read from the picture
    assert len(made) == 2
    state = {f"generator.{key}": value for key, value in modules["generator"].state_dict().items()}
    save_file(state, tmp_path / method_module.Method.official_file)
    with pytest.raises(MethodUnavailable, match="has no kp_extractor"):
        make_method("sadtalker").load(tmp_path, "official", "cpu")


def test_weights_are_known() -> None:
    entry = registry.read_weight("sadtalker")
    names = [file.name for file in entry.files]
    assert method_module.Method.official_file in names and method_module.MAPPING_FILE in names
    assert all(file.sha256 and file.bytes for file in entry.files)
