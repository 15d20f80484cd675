"""AniTalker behind the contract: seeds, sound of any length, options, official files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.anitalker import method as behind
from baselines.anitalker.animate import AniTalkerAnimator
from baselines.anitalker.config import FILES, VARIANTS, published
from baselines.anitalker.predictor import MotionPredictor, Sizes
from baselines.blocks.animate import animate
from baselines.checkpoints import save_modules
from baselines.method import MethodUnavailable, make_method
from tests.unit.anitalker_samples import CONTEXT, MINI, networks, portrait, tiny, tiny_hubert, voice


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hubert(tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    folder.mkdir()
    save_modules(networks(), folder / "model.safetensors")
    training = {"steps": 7, "stages": ["renderer", "motion"]}
    content = {"method": "anitalker", "size": "mini", "frame_size": 64, "training": training}
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def player(trained: Path) -> Any:
    made = make_method("anitalker")
    made.load(trained, "mini", "cpu")
    return made


def talk(player: Any, sound: np.ndarray, frames: int, source: np.ndarray | None = None, **context: Any) -> np.ndarray:
    picture = portrait() if source is None else source
    return np.stack(list(player.talk(picture, sound, frames, replace(CONTEXT, **context))))


def test_method_of_a_training(player: Any) -> None:
    assert player.kind == "scratch" and player.tasks == ("talk", "reconstruct") and player.mini_name.endswith("-mini")
    assert player.settings({}) == {
        "sampler": "DDIM", "steps": MINI.steps, "variant": "mfcc_audio_only", "predicts": "clean motion",
        "trained": "renderer 7 + motion 7 steps",
    }  # fmt: skip
    assert player.settings({"steps": 4})["steps"] == 4
    assert player.parameters("reconstruct") < player.parameters("talk")
    frames = [portrait(phase=0.2 * t) for t in range(3)]
    made = list(player.reconstruct(frames[0], iter(frames), CONTEXT))
    assert np.array_equal(made, list(animate(AniTalkerAnimator(networks(), 64), frames[0], iter(frames))))


def test_talk_is_a_function_of_the_seed(player: Any) -> None:
    first, again, other = (talk(player, voice(12), 12, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (12, 64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not np.array_equal(first, talk(player, voice(12, seed=1), 12, seed=1))  # and of the sound
    assert not np.array_equal(first, talk(player, voice(12), 12, seed=1, options={"steps": 3}))


@pytest.mark.parametrize("samples", (0, 1, 300, 640, 100_000))
def test_any_length_of_sound(player: Any, samples: int) -> None:
    """Missing sound is silence, sound beyond the frames is not heard."""
    for frames in (1, 3):
        sound = voice(200)[:samples]
        made = talk(player, sound, frames, options={"steps": 2})
        whole = np.pad(sound, (0, 200_000))[: 640 * frames]
        assert np.array_equal(made, talk(player, whole, frames, options={"steps": 2}))


def test_any_size_and_lazily(player: Any) -> None:
    made = player.talk(portrait((90, 48)), voice(40), 40, replace(CONTEXT, options={"steps": 2}))
    assert isinstance(made, Iterator)
    assert [frame.shape for frame in islice(made, 2)] == [(90, 48, 3)] * 2


def test_long_sound_is_sampled_in_windows(player: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    longest: list[int] = []
    forward = MotionPredictor.forward

    def watched(self: MotionPredictor, noisy: Tensor, *rest: Any) -> Tensor:
        longest.append(noisy.shape[1])
        return forward(self, noisy, *rest)

    monkeypatch.setattr(MotionPredictor, "forward", watched)
    frames = 3 * MINI.window
    assert len(talk(player, voice(frames), frames, options={"steps": 2})) == frames
    assert max(longest) == MINI.window
    longest.clear()
    talk(player, voice(MINI.window), MINI.window, options={"steps": 2})
    assert longest == [MINI.window] * 2  # one sequence, one call a step


def test_options_that_do_not_fit_are_refused_at_once(player: Any) -> None:
    for options, said in (
        ({"steps": 5000}, "1 to 1000 steps"),
        ({"pose_yaw": 0.2}, "takes no pose_yaw; it takes none"),
        ({"variant": "hubert_pose_only"}, "no variant 'hubert_pose_only' here; there are mfcc_audio_only"),
    ):
        with pytest.raises(ValueError, match=said):
            player.talk(portrait(), voice(2), 2, replace(CONTEXT, options=options))


def test_method_says_what_it_lacks(trained: Path, tmp_path: Path) -> None:
    player = make_method("anitalker")
    with pytest.raises(MethodUnavailable, match="not loaded"):
        player.talk(portrait(), voice(2), 2, CONTEXT)
    with pytest.raises(MethodUnavailable, match="semo fetch anitalker"):
        player.load(None, "official", "cpu")
    with pytest.raises(MethodUnavailable, match="no size 'large'"):
        player.load(trained, "large", "cpu")
    save_modules({"gen": nn.Linear(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(MethodUnavailable, match="model.safetensors: has no lia, ema_model but gen"):
        player.load(tmp_path, "mini", "cpu")


def write_official(folder: Path, variants: list[str], states: dict[str, Sizes]) -> None:
    """As published: flat, with the networks as they were trained beside the averaged ones, and a buffer."""
    content = {f"lia.{key}": value for key, value in networks()["lia"].state_dict().items()}
    torch.save(content | {"lia.disc.weight": torch.zeros(2), "optimiser": torch.zeros(1)}, folder / "stage1.ckpt")
    for variant in variants:
        torch.manual_seed(1)
        averaged, trained = (MotionPredictor(states[variant]).state_dict() for _ in range(2))
        flat = {f"ema_model.{k}": v for k, v in averaged.items()} | {f"model.{k}": v for k, v in trained.items()}
        torch.save(flat | {"x_T": torch.zeros(1, 3)}, folder / FILES[variant])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sizes]:
    """The published variants at toy size."""
    states = {
        variant: tiny(
            features=variant.split("_")[0],
            controls=published(variant).controls,
            audio_dim=16 if variant.startswith("hubert") else 39,
            audio_layers=3,
            relative=published(variant).relative,
            predicts=published(variant).predicts,
        )
        for variant in VARIANTS
    }
    kind = type(make_method("anitalker"))
    monkeypatch.setattr(kind, "published", staticmethod(states.__getitem__))
    config = replace(MINI, motion=states["hubert_audio_only"], steps=4)
    monkeypatch.setattr(kind, "sizes_of", {"official": config})
    return states


def test_official_files(hubert: Path, small: dict[str, Sizes]) -> None:
    folder = hubert.parent
    write_official(folder, ["hubert_audio_only", "hubert_pose_only", "mfcc_full_control"], small)
    player = make_method("anitalker")
    player.load(folder, "official", "cpu")
    assert (player.name, player.kind) == ("AniTalker", "other")
    assert player.settings({}) == {"sampler": "DDIM", "steps": 4, "variant": "hubert_audio_only"}
    assert talk(player, voice(4), 4).shape == (4, 64, 64, 3)
    posed = {"variant": "hubert_pose_only", "pose_yaw": 0.5}
    assert player.settings(posed) == {
        "sampler": "DDIM", "steps": 4, "variant": "hubert_pose_only", "pose_yaw": 0.5
    }  # fmt: skip
    network = player._sampler("hubert_pose_only").network
    assert torch.equal(behind.controls(network, posed)["pose"], torch.tensor([0.5, 0, 0]))
    assert behind.controls(network, {}) == {}
    assert len(talk(player, voice(4), 4, options=posed)) == 4
    full = {"variant": "mfcc_full_control", "face_scale": 0.7}
    given = behind.controls(player._sampler("mfcc_full_control").network, full)
    assert {name: value.tolist() for name, value in given.items()} == {
        "location": [0.5], "face_scale": [pytest.approx(0.7)], "pose": [0, 0, 0]
    }  # fmt: skip
    with pytest.raises(ValueError, match="takes no face_scale; it takes pose_yaw, pose_pitch, pose_roll"):
        talk(player, voice(4), 4, options={"variant": "hubert_pose_only", "face_scale": 0.7})
    with pytest.raises(MethodUnavailable, match="stage2_full_control_hubert.ckpt: there is no such checkpoint"):
        talk(player, voice(4), 4, options={"variant": "hubert_full_control"})


def test_official_files_that_do_not_fit(tmp_path: Path, small: dict[str, Sizes]) -> None:
    write_official(tmp_path, [], small)
    player = make_method("anitalker")
    with pytest.raises(MethodUnavailable, match="has no stage 2, one of stage2_audio_only_hubert.ckpt"):
        player.load(tmp_path, "official", "cpu")
    write_official(tmp_path, ["hubert_audio_only"], small)
    with pytest.raises(MethodUnavailable, match="chinese-hubert-large: holds no HuBERT"):
        player.load(tmp_path, "official", "cpu")
    content = torch.load(tmp_path / "stage1.ckpt", weights_only=True)
    content["lia.dec.convs.99.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "stage1.ckpt")
    with pytest.raises(MethodUnavailable, match="stage1.ckpt: lia holds dec.convs.99.weight"):
        player.load(tmp_path, "official", "cpu")
    del content["lia.dec.convs.99.weight"], content["lia.dec.direction.weight"]
    torch.save(content, tmp_path / "stage1.ckpt")
    with pytest.raises(MethodUnavailable, match="lacks dec.direction.weight"):
        player.load(tmp_path, "official", "cpu")
