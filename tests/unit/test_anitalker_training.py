"""AniTalker's recipe: identity kept out of motion, where gradients go, what one stage leaves for the next."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.anitalker.config import SIZES, build
from baselines.anitalker.decoupling import MARGIN, SCALE, identity_loss, information_losses
from baselines.anitalker.training import STAGES, WINDOW, MotionStage, RendererStage
from baselines.checkpoints import save_modules
from baselines.method import ClipContext, make_method
from baselines.training.talk import TalkBank
from semo.train.data import FrameBank
from semo.train.loop import train

FRAMES = WINDOW + 5


@pytest.fixture(scope="module")
def data() -> TalkBank:
    """Two people, a square that moves as the sound is loud."""
    clips, waves = {}, []
    for person in range(2):
        time = np.arange(FRAMES)
        loud = np.sin(0.3 * time + person) ** 2
        frames = np.full((FRAMES, 64, 64, 3), 60 + 80 * person, np.uint8)
        for t in range(FRAMES):
            top = 20 + round(20 * loud[t])
            frames[t, top : top + 16, 20:44] = (200, 40, 160)
        clips[f"p{person}"] = frames
        noise = np.random.default_rng(person).standard_normal(640 * FRAMES)
        waves.append(torch.from_numpy((0.2 * np.repeat(loud, 640) * noise).astype(np.float32)))
    return TalkBank(FrameBank([clips]), waves, [])


def stage(kind: Any, data: TalkBank, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    made = kind(build(SIZES["mini"]), data, lambda x: [x], seed, STAGES.index(kind))
    made.prepare()
    return made


def test_identity_loss_of_people_at_right_angles() -> None:
    codes = 3 * torch.eye(4, dtype=torch.float64)
    own = SCALE * math.cos(MARGIN)
    assert float(identity_loss(codes, 5 * codes)) == pytest.approx(math.log1p(3 * math.exp(-own)), rel=0.02)
    mistaken = identity_loss(codes, codes.roll(1, 0))
    assert float(mistaken) > SCALE
    assert identity_loss(codes.requires_grad_(), codes).isfinite()


def test_information_is_bounded_by_what_identity_tells() -> None:
    torch.manual_seed(0)
    density = nn.Linear(6, 6)
    nn.init.eye_(density.weight)
    nn.init.zeros_(density.bias)
    identity = torch.randn(512, 6)
    told, _ = information_losses(density, identity, identity + 0.1 * torch.randn(512, 6))
    untold, _ = information_losses(density, identity, torch.randn(512, 6))
    assert float(told) == pytest.approx(1.0, abs=0.1)  # half of the squared distance of two people
    assert float(untold) < 0.1


def test_each_of_the_two_losses_moves_its_own_side() -> None:
    density, code = nn.Linear(3, 3), torch.randn(4, 3, requires_grad=True)
    bound, learned = information_losses(density, code, -code)
    learned.backward()
    assert code.grad is None and density.weight.grad is not None
    density.zero_grad()
    nn.init.eye_(density.weight)
    bound, _ = information_losses(density, code, code)
    bound.backward()
    assert code.grad.abs().max() > 0 and density.weight.grad is None


def test_gradients_reach_every_parameter_of_the_renderer(data: TalkBank) -> None:
    recipe = stage(RendererStage, data)
    with torch.no_grad():
        for parameter in recipe.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    batch, _ = recipe.batch(0, 0.9)
    recipe(batch).backward()
    reached = {name for name, p in recipe.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    left = {name.removeprefix("networks.lia.") for name, _ in recipe.named_parameters()} - {
        name.removeprefix("networks.lia.") for name in reached
    }
    frozen = {name for name in left if name.startswith("networks.ema_model.")}
    assert left - frozen == set(recipe.idle)
    assert len(frozen) == len(list(recipe.networks["ema_model"].parameters()))


def test_the_renderer_begins_with_motion_spread_over_its_range(data: TalkBank) -> None:
    recipe = stage(RendererStage, data)
    encoder = recipe.networks["lia"].enc
    codes = 0.3 * torch.randn(5, 64)
    for part in encoder.net_decouping(codes):
        torch.testing.assert_close(part, codes)
    motion = encoder.motion(2 * data.frames.sample_frames(64, recipe.seed) - 1)
    bound = SIZES["mini"].motion.bound
    torch.testing.assert_close(motion.std(0), torch.full((20,), bound / 3), rtol=0.01, atol=0)
    assert motion.mean(0).abs().max() < 1e-2
    assert set(recipe.report()) == {"psnr_moving", "psnr_moving_copy", "motion_use_db"}


def test_windows_hold_motion_and_sound_of_the_same_frames(data: TalkBank) -> None:
    recipe = stage(MotionStage, data)
    batch, names = recipe.batch(3, 0.0)
    again, _ = recipe.batch(3, 0.9)
    for name, value in vars(batch).items():
        assert torch.equal(value, getattr(again, name)), name
    assert batch.motion.shape == (8, WINDOW, 20) and batch.sound.shape == (8, 4 * WINDOW, 39)
    kept = data.kept
    for i, name in enumerate(names):
        clip = data.frames.names.index(name)
        (first,) = (start for start in range(6) if torch.equal(kept["motion"][clip][start : start + WINDOW],
                                                               batch.motion[i]))  # fmt: skip
        assert torch.equal(batch.sound[i], kept["mfcc"][clip][4 * first : 4 * (first + WINDOW)])
        assert any(torch.equal(batch.source[i], code) for code in kept["code"][clip])
    assert 0 <= batch.time.min() and batch.time.max() < 1000


def test_inputs_of_stage_2_begin_at_a_common_scale(data: TalkBank) -> None:
    recipe = stage(MotionStage, data)
    network = recipe.networks["ema_model"]
    batch, _ = recipe.batch(0, 0.0)
    heard = network.down_sample1(batch.sound.mT)[..., 1:-1]
    assert 0.1 < float(heard.detach().std()) < 2
    assert float(network.t_encoder(torch.tensor([[999.0]])).detach().abs().max()) < 4


def test_motion_learns_and_renders_after_both_stages(data: TalkBank, tmp_path: Path) -> None:
    """Two steps of each stage, saved as a training leaves it, and played by the method."""
    torch.manual_seed(0)
    networks = build(SIZES["mini"])
    before = {name: _numbers(network) for name, network in networks.items()}
    for order, kind in enumerate(STAGES):
        recipe: Any = kind(networks, data, lambda x: [x], 0, order)
        recipe.prepare()
        train(recipe, 2, tmp_path / kind.name)
    assert all(not torch.equal(before[name], _numbers(network)) for name, network in networks.items())
    save_modules(networks, tmp_path / "model.safetensors")
    training = {"steps": 2, "stages": [kind.name for kind in STAGES]}
    (tmp_path / "config.json").write_text(json.dumps({"method": "anitalker", "size": "mini", "training": training}))
    player = make_method("anitalker")
    player.load(tmp_path, "mini", "cpu")
    wave = data.waveforms[0].numpy()
    made = list(player.talk(data.frames.clips[0][0].numpy(), wave, 6, ClipContext("clip", 0, options={"steps": 3})))
    assert len(made) == 6 and made[0].shape == (64, 64, 3)


def _numbers(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()
