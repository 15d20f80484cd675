"""FOMM, MRAA and TPSMM: blocks, the fast path, clips, and the method contract at `mini` size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines.blocks.animate import BATCH, Animator, animate, fit
from baselines.blocks.conv import AntiAlias, DownBlock, ResBlock, SameBlock, UpBlock, batch_norm, instance_norm
from baselines.blocks.fast import BlockwiseConv, FastUp, accelerate, best_step
from baselines.blocks.grids import grid, hull_area, movement_scale, soft_argmax
from baselines.blocks.winograd import WinogradConv
from baselines.checkpoints import save_modules
from baselines.method import ClipContext, ClipFailure, MethodUnavailable, make_method
from baselines.tpsmm import splines
from tests.unit.perturbed import perturb, ready

METHODS = ("fomm", "mraa", "tpsmm")
CONTEXT = ClipContext("clip", 0)


def networks(method: str, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    """`mini` networks; noise in the layers that start at zero and in the statistics, so that nothing is idle."""
    config = import_module(f"baselines.{method}.config")
    torch.manual_seed(seed)
    modules = config.build(config.SIZES["mini"])
    perturb(modules)
    return ready(modules, dtype)


def animator(method: str, fast: bool = True, dtype: torch.dtype = torch.float32) -> Animator:
    made = getattr(import_module(f"baselines.{method}.animate"), f"{method.upper()}Animator")
    return made(networks(method, dtype=dtype), 64, fast)


def clip(frames: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> list[np.ndarray]:
    """Smooth pictures that move."""
    y, x = np.mgrid[: size[0], : size[1]] / 64
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    return [
        np.stack([127 + 120 * np.sin(5 * x + 3 * y + p + 0.3 * t) for p in phase], axis=-1).astype(np.uint8)
        for t in range(frames)
    ]


def predict(method: str, modules: dict[str, nn.Module], source: Tensor, driving: Tensor) -> Tensor:
    """The picture as the paper makes it."""
    if method == "fomm":
        detect = modules["kp_detector"]
        return modules["generator"](source, detect(source), detect(driving))["prediction"]
    background = modules["bg_predictor"](source, driving)
    if method == "mraa":
        detect = modules["region_predictor"]
        return modules["generator"](source, detect(source), detect(driving), background)["prediction"]
    detect = modules["kp_detector"]
    motion = modules["dense_motion_network"](source, detect(driving), detect(source), background)
    return modules["inpainting_network"](source, motion)["prediction"]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 20), (64, 64), (6, 8), (5, 7)])
@pytest.mark.parametrize("bias", (True, False))
def test_winograd_is_the_convolution(height: int, width: int, bias: bool) -> None:
    conv = nn.Conv2d(6, 10, 3, padding=1, bias=bias).requires_grad_(False).double()
    x = torch.randn(3, 6, height, width, dtype=torch.float64)
    torch.testing.assert_close(WinogradConv(conv)(x), conv(x), rtol=0, atol=1e-12)


def test_winograd_rounds_little() -> None:
    """At 256 channels the error in float32 is a few units in the last place of the outputs."""
    torch.manual_seed(0)
    conv = nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 256, 16, 16).relu()
    exact = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)
    error = (WinogradConv(conv)(x) - exact).square().mean().sqrt() / exact.std()
    assert error < 16 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("conv", [nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, 2, 1)])
def test_winograd_refuses_other_convolutions(conv: nn.Conv2d) -> None:
    with pytest.raises(ValueError, match="3 x 3"):
        WinogradConv(conv)


@pytest.mark.parametrize("out", (1, 3, 11))
@pytest.mark.parametrize("step", (2, 4))
def test_blockwise_convolution_is_the_convolution(out: int, step: int) -> None:
    conv = nn.Conv2d(5, out, 7, padding=3).requires_grad_(False)
    x = torch.randn(2, 5, 16, 8)
    torch.testing.assert_close(BlockwiseConv(conv, step)(x), conv(x), rtol=1e-5, atol=2e-6)


def test_only_wide_heads_are_made_blockwise() -> None:
    assert best_step(nn.Conv2d(64, 3, 7, padding=3)) == 2
    assert best_step(nn.Conv2d(64, 1, 7, padding=3)) == 4
    assert best_step(nn.Conv2d(64, 10, 7)) == 1  # unpadded
    assert best_step(nn.Conv2d(3, 64, 7, padding=3)) == 1
    assert best_step(nn.Conv2d(3, 64, 7, 2, 3)) == 1


@pytest.mark.parametrize("norm", (batch_norm, instance_norm))
@pytest.mark.parametrize("make", [
    lambda norm: SameBlock(8, 12, 7, norm), lambda norm: DownBlock(8, 12, norm=norm),
    lambda norm: UpBlock(8, 12, norm=norm), lambda norm: ResBlock(8, norm), lambda norm: ResBlock(192, norm),
])
def test_accelerated_blocks_are_the_blocks(norm: Any, make: Any) -> None:
    torch.manual_seed(1)
    block = make(norm).eval().requires_grad_(False).double()
    for name, value in [*block.named_parameters(), *block.named_buffers()]:
        if value.dtype.is_floating_point:
            value.add_(torch.rand_like(value) if "var" in name else 0.1 * torch.randn_like(value))
    wrapped = nn.Sequential(block)
    channels = next(value.shape[1] for value in block.parameters() if value.dim() == 4)
    x = torch.randn(2, channels, 16, 16, dtype=torch.float64)
    fast = accelerate(wrapped)
    torch.testing.assert_close(fast(x.clone()), wrapped(x.clone()), rtol=0, atol=1e-11)
    assert not any(isinstance(part, nn.BatchNorm2d) for name, part in fast.named_modules() if name.endswith("norm2"))
    assert isinstance(fast[0], FastUp) == isinstance(block, UpBlock)


def test_accelerate_leaves_the_network_alone() -> None:
    network = nn.Sequential(UpBlock(4, 4), ResBlock(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    accelerate(network)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_anti_alias_keeps_constants_and_counts() -> None:
    down = AntiAlias(3, 0.25)
    assert down.weight.shape == (3, 1, 13, 13)
    out = down(torch.full((1, 3, 64, 64), 0.6))
    assert out.shape == (1, 3, 16, 16)
    torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.full((1, 3, 12, 12), 0.6))
    assert torch.equal(AntiAlias(3, 1.0)(out), out)


def test_grid_runs_from_corner_to_corner() -> None:
    positions = grid(3, 5, torch.zeros(1))
    assert positions[0, 0].tolist() == [-1, -1] and positions[2, 4].tolist() == [1, 1]
    assert positions[1, 2].tolist() == [0, 0] and positions[0, 1].tolist() == [-0.5, -1]


def test_soft_argmax_finds_a_peak() -> None:
    logits = torch.zeros(1, 1, 9, 9)
    logits[0, 0, 2, 6] = 50
    heatmap, position = soft_argmax(logits, 0.1)
    assert heatmap.sum().item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(position[0, 0], torch.tensor([0.5, -0.5]))


def test_hull_areas_and_scale() -> None:
    square = torch.tensor([[[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]]])
    line = torch.tensor([[[0.0, 0], [1, 1], [2, 2], [3, 3], [4, 4]]])
    assert hull_area(torch.cat([square, 2 * square, line])).tolist() == [1, 4, 0]
    assert movement_scale(square, 2 * square).item() == pytest.approx(0.5)
    assert movement_scale(line, square).item() == 1  # no extent: displacements are taken as they are


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_splines_are_linear_in_their_targets(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(1, 3, 5, 2, generator=generator, dtype=torch.float64) * 1.6 - 0.8
    positions = grid(5, 5, points)
    matrix, weights = splines.solve(points, points)
    assert matrix.shape == (1, 3, 2, 3) and weights.shape == (1, 3, 5, 2)
    shift = torch.tensor([0.1, -0.2], dtype=torch.float64)
    both = splines.transform(points, torch.stack([points, points + shift])[:, 0], positions)
    assert both.shape == (2, 3, 5, 5, 2)
    other = splines.transform(points, 0 * points + shift, positions)
    torch.testing.assert_close(both[1] - both[0], other[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_every_parameter(method: str) -> None:
    modules = networks(method)
    source, driving = torch.rand(2, 2, 3, 64, 64)
    (predict(method, modules, source, driving) - driving).abs().mean().backward()
    idle = [
        f"{name}.{key}" for name, module in modules.items() for key, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert set(idle) <= {"kp_detector.kp.bias", "region_predictor.regions.bias"}  # a softmax over space ignores these


@pytest.mark.parametrize("method", METHODS)
@torch.inference_mode()
def test_a_batch_gives_what_single_frames_give(method: str) -> None:
    modules = networks(method, dtype=torch.float64)
    source, driving = torch.rand(2, 3, 3, 64, 64, dtype=torch.float64)
    together = predict(method, modules, source, driving)
    assert together.shape == (3, 3, 64, 64) and 0 <= together.min() and together.max() <= 1
    alone = torch.cat([predict(method, modules, source[i : i + 1], driving[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@torch.inference_mode()
def test_fast_networks_are_the_plain_networks(method: str) -> None:
    plain, fast = (animator(method, way, torch.float64) for way in (False, True))
    source, driving = torch.rand(4, 3, 64, 64, dtype=torch.float64).split((1, 3))
    for background in (driving, None):
        made = fast.render(fast.source(source), fast.points(driving), background)
        expected = [
            plain.render(plain.source(source), plain.points(frame), None if background is None else frame)
            for frame in driving.split(1)
        ]
        torch.testing.assert_close(made, torch.cat(expected), rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_fast_clip_is_the_plain_clip(method: str) -> None:
    frames = clip(BATCH + 2)
    fast, plain = (list(animate(animator(method, fast), frames[0], iter(frames))) for fast in (True, False))
    assert len(fast) == len(plain) == len(frames)
    assert np.abs(np.stack(fast).astype(int) - np.stack(plain)).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_relative_motion_is_absolute_where_source_is_the_first_driving_frame(method: str) -> None:
    """For MRAA and TPSMM without the background's motion, which only absolute motion takes over."""
    frames = clip(4)
    player = animator(method)
    prepared, initial = player.start(frames[0]), player.first(frames[0])
    relative = np.stack(player.frames(prepared, frames, initial)).astype(int)
    with torch.inference_mode():
        images = player._tensor(frames)
        made = player.render(prepared, player.points(images), None)
    absolute = (made * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(relative - absolute).max() <= 1
    if method == "fomm":
        assert np.abs(relative - np.stack(player.frames(prepared, frames))).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_any_frame_size(method: str) -> None:
    source = clip(1, (90, 48))[0]
    made = list(animate(animator(method), source, iter(clip(3, (50, 100)))))
    assert [frame.shape for frame in made] == [(90, 48, 3)] * 3
    assert all(frame.dtype == np.uint8 for frame in made)


def test_fit_averages_and_enlarges() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[::2] = 200
    assert (fit(picture, (2, 2)) == 100).all()
    assert fit(picture, (4, 4)) is picture
    assert fit(picture, (8, 6)).shape == (8, 6, 3)


def test_a_long_video_is_read_as_it_is_used() -> None:
    player, taken = animator("fomm"), count()

    def endless() -> Iterator[np.ndarray]:
        for _ in taken:
            yield picture

    picture = clip(1)[0]
    assert len(list(islice(animate(player, picture, endless()), BATCH))) == BATCH
    assert next(taken) <= BATCH + 1


@pytest.mark.parametrize("frames", (0, 1))
def test_a_video_without_motion_fails(frames: int) -> None:
    picture = clip(1)[0]
    with pytest.raises(ClipFailure, match=f"has {frames} frames.* at least 2"):
        list(animate(animator("fomm"), picture, iter([picture] * frames)))


def test_unknown_motion_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="absolute, relative"):
        animate(animator("fomm"), clip(1)[0], iter(clip(2)), "sideways")


def trained(method: str, folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    save_modules(networks(method), folder / "model.safetensors")
    content = {"method": method, "size": "mini", "frame_size": 64, "training": {"steps": 7}} | record
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_method_of_a_training(method: str, tmp_path: Path) -> None:
    player = make_method(method)
    player.load(trained(method, tmp_path / "model"), "mini", "cpu")
    assert player.kind == "scratch" and player.tasks == ("reconstruct",)
    assert player.settings({}) == {"motion": "absolute", "trained": "7 steps"}
    assert player.settings({"motion": "relative"})["motion"] == "relative"
    frames = clip(3)
    made = list(player.reconstruct(frames[0], iter(frames), CONTEXT))
    expected = list(animate(animator(method), frames[0], iter(frames)))
    assert np.array_equal(made, expected)
    other = list(player.reconstruct(frames[0], iter(clip(3, seed=5)), replace(CONTEXT, options={"motion": "relative"})))
    assert len(other) == 3
    with pytest.raises(MethodUnavailable, match="not by sound"):
        player.talk(frames[0], np.zeros(16000, np.float32), 25, CONTEXT)


@pytest.mark.parametrize("method", METHODS)
def test_method_says_what_it_lacks(method: str, tmp_path: Path) -> None:
    player = make_method(method)
    with pytest.raises(MethodUnavailable, match="not loaded"):
        player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT)
    with pytest.raises(MethodUnavailable, match=f"semo fetch {method}"):
        player.load(None, "official", "cpu")
    with pytest.raises(MethodUnavailable, match="folder of its training"):
        player.load(None, "mini", "cpu")
    with pytest.raises(MethodUnavailable, match="has no size 'huge'"):
        player.load(tmp_path, "huge", "cpu")
    for size in ("mini", "official"):
        with pytest.raises(MethodUnavailable, match=f"the weights folder absent of .* \\({size}\\) has no "):
            player.load(tmp_path / "absent", size, "cpu")


def test_official_weights_have_the_published_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file as published: networks, discriminator, optimisers, epoch; the old format. Here its networks are small."""
    player = make_method("fomm")
    monkeypatch.setattr(type(player), "sizes_of", {"official": player.sizes_of["mini"]})  # type: ignore[attr-defined]
    content: dict[str, Any] = {name: module.state_dict() for name, module in networks("fomm").items()}
    content |= {"discriminator": {"conv.weight": torch.zeros(2)}, "optimizer_generator": {"state": {}}, "epoch": 99}
    torch.save(content, tmp_path / "vox-cpk.pth.tar", _use_new_zipfile_serialization=False)
    player.load(tmp_path, "official", "cpu")
    assert (player.name, player.kind, player.settings({})) == ("FOMM", "other", {"motion": "absolute"})
    made = list(player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT))
    assert [frame.shape for frame in made] == [(64, 64, 3)] * 2
    del content["kp_detector"]
    torch.save(content, tmp_path / "vox-cpk.pth.tar")
    with pytest.raises(MethodUnavailable, match="kp_detector"):
        make_method("fomm").load(tmp_path, "official", "cpu")


def test_method_refuses_the_weights_of_another(tmp_path: Path) -> None:
    folder = trained("mraa", tmp_path / "mraa")
    with pytest.raises(MethodUnavailable, match="kp_detector"):
        make_method("fomm").load(folder, "mini", "cpu")
    folder = trained("fomm", tmp_path / "fomm", size="small")
    with pytest.raises(MethodUnavailable, match="fomm at size small, not fomm at mini"):
        make_method("fomm").load(folder, "mini", "cpu")
    (folder / "config.json").unlink()
    with pytest.raises(MethodUnavailable, match="config.json"):
        make_method("fomm").load(folder, "mini", "cpu")
