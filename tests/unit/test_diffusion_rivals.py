"""Hallo2 and EchoMimic: official files, masks and sound as they are told, toys from training to frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.blocks.diffusion.files import load_files
from baselines.blocks.diffusion.speech import LogMelSpeech, Track
from baselines.checkpoints import CheckpointError, save_modules
from baselines.echomimic.inputs import audio_tokens, placed
from baselines.hallo2.inputs import audio_windows, patch_dropped
from baselines.method import ClipContext, MethodUnavailable, make_method
from baselines.training.__main__ import make_networks, stages_of
from baselines.training.talk import TalkBank
from semo.train.data import FrameBank
from tests.unit.test_masks import make_face

METHODS = ("hallo2", "echomimic")
SIDE = 64


def small_bank(clips: int = 3, frames: int = 12) -> TalkBank:
    generator = np.random.default_rng(0)
    smooth = torch.nn.functional.interpolate(torch.rand(clips * frames, 3, 8, 8), size=SIDE, mode="bilinear")
    pictures = (smooth.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8).reshape(clips, frames, SIDE, SIDE, 3)
    bank = FrameBank([{f"clip{i}": pictures[i] for i in range(clips)}])
    waves = [torch.from_numpy(generator.normal(size=frames * 640).astype(np.float32) * 0.1) for _ in range(clips)]
    return TalkBank(bank, waves, [make_face(frames=frames, step=0.3) for _ in range(clips)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """A folder per method as a training leaves it, of networks whose last layers are not zero."""
    folders = {}
    for method in METHODS:
        folder = tmp_path_factory.mktemp(method)
        networks, data = make_networks(method, "mini", SIDE, 0), small_bank()
        stages_of(method)[0](networks, data, None, 0, 0).prepare()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for network in networks.values():
                for parameter in network.parameters():
                    if not parameter.any():
                        parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
        save_modules(networks, folder / "model.safetensors")
        record = {"method": method, "size": "mini", "training": {"steps": 1, "stages": ["frames", "clips"]}}
        (folder / "config.json").write_text(json.dumps(record))
        folders[method] = folder
    return folders


def spoken(
    method: str, folder: Path, frames: int, seed: int = 1, wave: np.ndarray | None = None, size=(64, 64), **options
):
    player = make_method(method)
    player.load(folder, "mini", "cpu")
    source = np.tile(np.linspace(0, 255, size[1]).astype(np.uint8)[None, :, None], (size[0], 1, 3))
    face = replace(make_face(), size=(SIDE, SIDE)).scaled(size)
    context = ClipContext("clip", seed, options=options, annotations={"face": lambda: face})
    wave = np.random.default_rng(2).normal(size=frames * 640).astype(np.float32) if wave is None else wave
    return list(player.talk(source, wave, frames, context))


@pytest.mark.parametrize("method", METHODS)
def test_toy_speaks_in_the_size_of_its_source(method, trained):
    made = spoken(method, trained[method], 9, size=(80, 72))
    assert len(made) == 9 and {frame.shape for frame in made} == {(80, 72, 3)}
    assert {frame.dtype for frame in made} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("method", METHODS)
def test_seed_and_sound_decide_the_frames(method, trained):
    folder, frames = trained[method], 7
    first, again = spoken(method, folder, frames), spoken(method, folder, frames)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, spoken(method, folder, frames, seed=2))
    assert not np.array_equal(first, spoken(method, folder, frames, wave=np.zeros(frames * 640, np.float32)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [0, 100, 640])
def test_one_frame_and_hardly_any_sound(method, samples, trained):
    assert len(spoken(method, trained[method], 1, wave=np.zeros(samples, np.float32))) == 1


@pytest.mark.parametrize("method", METHODS)
def test_guidance_and_steps_come_from_the_options(method, trained):
    folder = trained[method]
    assert not np.array_equal(spoken(method, folder, 4), spoken(method, folder, 4, guidance=3.0))
    player = make_method(method)
    player.load(folder, "mini", "cpu")
    settings = player.settings({"steps": 7})
    assert settings["steps"] == 7 and settings["guidance"] == 1.0 and settings["trained"] == "frames 1 + clips 1 steps"
    assert player.samplings["official"].steps == {"hallo2": 40, "echomimic": 30}[method]


def test_frames_of_a_clip_do_not_depend_on_what_follows(trained):
    """Hallo2 goes clip by clip: a longer video begins with the same frames."""
    wave = np.random.default_rng(3).normal(size=12 * 640).astype(np.float32)
    short, long = (spoken("hallo2", trained["hallo2"], frames, wave=wave) for frames in (6, 12))
    assert np.abs(np.stack(short[:3]).astype(int) - np.stack(long[:3])).max() <= 1  # sound around them is the same


def test_windows_of_hallo2_share_no_frames(trained):
    with pytest.raises(ValueError, match="motion frames join them"):
        spoken("hallo2", trained["hallo2"], 4, overlap=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [0, 1])
def test_gradients_reach_all_that_a_stage_trains(method, order):
    networks, data = make_networks(method, "mini", SIDE, 0), small_bank()
    kinds = stages_of(method)
    for earlier in range(order + 1):
        torch.manual_seed(0)
        stage = kinds[earlier](networks, data, None, 0, earlier)
        stage.prepare()
    with torch.no_grad():
        for parameter in stage.parameters():
            if not parameter.any():  # layers that begin at zero hold back the gradients of those before them
                parameter.copy_(0.05 * torch.randn(parameter.shape))
    batch, names = stage.batch(0, 0.0)
    again, _ = stage.batch(0, 0.5)
    torch.testing.assert_close(batch.frames, again.frames, rtol=0, atol=0)
    stage(batch).backward()
    unused = {f"networks.reference_unet.{name}" for name in networks["reference_unet"].unused_parameters()}
    if kinds[order].window == 1:
        unused |= {name for name, _ in stage.named_parameters() if "motion_modules" in name or "audio_modules" in name}
    without = {
        name
        for name, parameter in stage.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    }
    assert without <= unused
    assert set(names) <= set(data.frames.names) and len(names) == 8


def test_dropped_pixels_are_beside_the_face():
    generator = torch.Generator().manual_seed(0)
    pictures, noise = torch.rand(2, 3, 64, 64, generator=generator), torch.randn(2, 1, 64, 64, generator=generator)
    face = torch.zeros(1, 64, 64)
    face[:, 16:48, 16:48] = 1
    made = patch_dropped(pictures, face, noise)
    changed = (made != pictures).any(1)
    assert not changed[:, 16:48, 16:48].any() and (made[changed[:, None].expand_as(made)] == 0.5).all()
    assert float(changed.float().mean() / 0.75) == pytest.approx(0.25, abs=0.02)


def counting_track(rate: float, seconds: float) -> Track:
    class Counting(LogMelSpeech):
        width = 1

        def encode(self, waveform, vectors):
            return torch.arange(vectors, dtype=torch.float32).view(-1, 1, 1)

    speech = Counting()
    speech.rate = rate
    return speech.of(np.zeros(0, np.float32), seconds)


def test_sound_around_a_frame():
    track = counting_track(50.0, 4.0)
    windows = audio_windows(track, [0, 10], 25.0, 5)  # five frames of two vectors
    assert windows.shape == (2, 5, 2, 1)
    assert windows[1].flatten().tolist() == [float(v) for v in range(16, 26)]
    tokens = audio_tokens(track, [24], 24.0)  # one second: vector 50
    assert tokens.flatten().tolist() == [float(v) for v in range(46, 56)]
    assert placed(tokens).shape == (1, 10, 17)


def test_official_parts_are_put_together(tmp_path):
    network = make_networks("echomimic", "mini", SIDE, 0)["denoising_unet"]
    state = network.state_dict()
    motion = {key: value for key, value in state.items() if "motion_modules" in key}
    torch.save({k: v for k, v in state.items() if k not in motion}, tmp_path / "denoising_unet.pth")
    torch.save({f"module.{k}": v for k, v in motion.items()}, tmp_path / "motion_module.pth")
    fresh = make_networks("echomimic", "mini", SIDE, 1)["denoising_unet"]
    files = [tmp_path / "denoising_unet.pth", tmp_path / "motion_module.pth"]
    load_files({"denoising_unet": fresh}, {"denoising_unet": files})
    assert all(torch.equal(value, state[key]) for key, value in fresh.state_dict().items())
    with pytest.raises(CheckpointError, match="lacks"):
        load_files({"denoising_unet": fresh}, {"denoising_unet": files[:1]})
    with pytest.raises(CheckpointError, match="which denoising_unet.pth holds too"):
        load_files({"denoising_unet": fresh}, {"denoising_unet": [files[0], files[0]]})


@pytest.mark.parametrize(("method", "file"), [("hallo2", "hallo2/net.pth"), ("echomimic", "denoising_unet.pth")])
def test_absent_weights_are_named(method, file, tmp_path):
    with pytest.raises(MethodUnavailable, match=file):
        make_method(method).load(tmp_path, "official", "cpu")


def test_folder_of_distilled_files_is_the_accelerated_variant(tmp_path):
    (tmp_path / "denoising_unet_acc.pth").write_bytes(b"")
    method = make_method("echomimic")
    assert method._file(tmp_path, "official").name == "denoising_unet_acc.pth"
    assert method.name == "EchoMimic (accelerated)"
    assert (method.sampling({}).steps, method.sampling({}).guidance) == (6, 1.0)


def test_clips_without_a_found_face_train_as_all_face():
    networks, data = make_networks("echomimic", "mini", SIDE, 0), small_bank(1)
    lost = replace(data.faces[0], mesh=np.full_like(data.faces[0].mesh, np.nan))
    data.faces[0] = lost
    stage = stages_of("echomimic")[0](networks, data, None, 0, 0)
    stage.prepare()
    batch, _ = stage.batch(0, 0.0)
    assert (batch.pictures == 1).all() and torch.isfinite(stage(batch))


@pytest.mark.parametrize("method", METHODS)
def test_curves_say_what_sound_is_worth(method):
    networks, data = make_networks(method, "mini", SIDE, 0), small_bank()
    for order, kind in enumerate(stages_of(method)):
        stage = kind(networks, data, None, 0, order).eval()
        stage.prepare()
        figures = stage.report()
        listens = method == "echomimic" or order == 1
        assert ("sound_use" in figures) == listens
        # untrained toys copy the portrait, but for what the codec loses
        assert figures["lips_error"] == pytest.approx(figures["lips_copy"], rel=0.1)
