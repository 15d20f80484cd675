"""LIA: layers of StyleGAN2, folded networks against golden outputs and plain ones, clips, the method contract."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import stylegan2, stylegan2_folded
from baselines.blocks.animate import animate
from baselines.blocks.fft_conv import FFTConv3d, fast_length
from baselines.blocks.winograd3d import WinogradConv3d
from baselines.checkpoints import save_modules
from baselines.lia.animate import LIAAnimator
from baselines.lia.config import SIZES, Config, build
from baselines.lia.directions import Directions
from baselines.lia.folded import FoldedGenerator
from baselines.method import ClipContext, ClipFailure, MethodUnavailable, make_method
from tests.parity import fill
from tests.parity.check import FIXTURES, fill_modules, make_inputs, read
from tests.parity.modes.lia import MODES

CONTEXT = ClipContext("clip", 0)
DOUBLE = torch.float64
MINI = SIZES["mini"]


def networks(dtype: torch.dtype = torch.float32, config: Config = MINI) -> dict[str, nn.Module]:
    """Noise in the layers that start at zero, so that nothing is idle."""
    torch.manual_seed(0)
    modules = build(config)
    with torch.no_grad():
        for value in modules["gen"].parameters():
            value.add_(0.05 * torch.randn_like(value))
    return {name: module.eval().to(dtype) for name, module in modules.items()}


def animator(fast: bool = True, dtype: torch.dtype = torch.float32) -> LIAAnimator:
    return LIAAnimator(networks(dtype), 64, fast)


def clip(frames: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> list[np.ndarray]:
    """Smooth pictures that move."""
    y, x = np.mgrid[: size[0], : size[1]] / 64
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    return [
        np.stack([127 + 120 * np.sin(5 * x + 3 * y + p + 0.3 * t) for p in phase], axis=-1).astype(np.uint8)
        for t in range(frames)
    ]


def upfirdn(x: Tensor, kernel: Tensor, up: int, before: int, after: int) -> Tensor:
    """Zeros inserted and around, then true convolution with `kernel`: the definition, one channel at a time."""
    batch, channels, height, width = x.shape
    zeros = x.new_zeros(batch, channels, height, up, width, up)
    zeros[:, :, :, 0, :, 0] = x
    spread = F.pad(zeros.reshape(batch * channels, 1, height * up, width * up), (before, after, before, after))
    return F.conv2d(spread, kernel.flip(0, 1)[None, None])[:, 0].unflatten(0, (batch, channels))


def test_filters_are_their_definition() -> None:
    """With an asymmetric kernel, so that a mirrored one is noticed."""
    x, kernel = torch.randn(2, 3, 8, 6), torch.randn(4, 4)
    for layer, up, before, after in ((stylegan2.Upsample(), 2, 2, 1), (stylegan2.Blur(2), 1, 2, 2)):
        layer.kernel.copy_(kernel)
        torch.testing.assert_close(layer(x), upfirdn(x, kernel, up, before, after), rtol=1e-5, atol=1e-5)


def test_upsampling_keeps_brightness() -> None:
    made = stylegan2.Upsample()(torch.full((1, 2, 8, 8), 0.7))
    torch.testing.assert_close(made[..., 1:-1, 1:-1], torch.full((1, 2, 14, 14), 0.7))


@pytest.mark.parametrize("upsample", (False, True))
def test_modulation_equals_weights_of_each_sample(upsample: bool) -> None:
    """The formula of the paper, section 2.2: modulate, normalise per output channel, convolve."""
    torch.manual_seed(0)
    layer = stylegan2.ModulatedConv2d(6, 5, 3, style_dim=4, upsample=upsample).double()
    x, style = torch.randn(3, 6, 8, 8, dtype=DOUBLE), torch.randn(3, 4, dtype=DOUBLE)
    expected = []
    for sample, gains in zip(x, layer.modulation(style)):
        weight = layer.weight[0] * layer.scale * gains[:, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if upsample:
            expected.append(layer.blur(F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)))
        else:
            expected.append(F.conv2d(sample[None], weight, padding=1))
    torch.testing.assert_close(layer(x, style), torch.cat(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", (1, 3))
@pytest.mark.parametrize(("channels", "upsample"), [(4, False), (4, True), (192, False), (192, True)])
def test_folded_styled_convolution(channels: int, upsample: bool, batch: int) -> None:
    """Narrow layers modulate weights (one sample) or activations, wide ones are Winograd's."""
    torch.manual_seed(0)
    layer = stylegan2.StyledConv(channels, 6, 5, upsample).double()
    nn.init.normal_(layer.activate.bias)
    x = torch.randn(batch, channels, 32, 32, dtype=DOUBLE)
    style = torch.randn(batch, 5, dtype=DOUBLE)
    with torch.no_grad():
        quick = stylegan2_folded.StyledConv(layer, 64 if upsample else 32)
        assert (quick.winograd is not None) == (channels == 192 and not upsample)
        torch.testing.assert_close(quick(x, style), layer(x, style), rtol=0, atol=1e-11)


def test_directions_are_orthonormal_with_the_signs_of_lapack() -> None:
    torch.manual_seed(1)
    directions = Directions(64, 20)
    basis = directions.basis()
    torch.testing.assert_close(basis.T @ basis, torch.eye(20), rtol=0, atol=1e-5)
    expected = np.linalg.qr(directions.weight.detach().numpy() + np.float32(1e-8))[0]
    np.testing.assert_allclose(basis.detach().numpy(), expected, atol=1e-5)
    first = directions.weight[:, 0].detach()  # Householder: the first column points against the first vector, or with
    cosine = float(F.cosine_similarity(first, basis[:, 0].detach(), dim=0))
    assert cosine == pytest.approx(-float(torch.sign(first[0])), abs=1e-5)


def test_a_wrong_number_of_scales_is_refused() -> None:
    with pytest.raises(ValueError, match="64 px, not 128"):
        networks(config=replace(MINI, frame_size=128))


@pytest.mark.parametrize("size", (5, 7))
def test_product_of_spectra_is_the_convolution(size: int) -> None:
    conv = nn.Conv3d(3, 4, size, padding=size // 2).requires_grad_(False).double()
    x = torch.randn(2, 3, 5, 32, 48, dtype=DOUBLE)
    torch.testing.assert_close(FFTConv3d(conv, depth=5)(x), conv(x), rtol=0, atol=1e-11)


@pytest.mark.parametrize("depth", (1, 2, 5))
def test_winograd_in_three_dimensions_is_the_convolution(depth: int) -> None:
    conv = nn.Conv3d(3, 4, 3, padding=1).requires_grad_(False).double()
    x = torch.randn(2, 3, depth, 8, 12, dtype=DOUBLE)
    torch.testing.assert_close(WinogradConv3d(conv)(x), conv(x), rtol=0, atol=1e-11)


def test_quick_convolutions_refuse_others() -> None:
    with pytest.raises(ValueError, match="stride 1"):
        WinogradConv3d(nn.Conv3d(2, 2, 3, stride=2, padding=1))
    with pytest.raises(ValueError, match="padding of half"):
        FFTConv3d(nn.Conv3d(2, 2, 7), 4)
    assert [fast_length(length) for length in (19, 22, 7, 16)] == [20, 24, 8, 16]


def compared(recorded: Any, outputs: dict[str, Tensor]) -> None:
    rows = fill.compare(outputs, recorded.arrays, recorded.meta, only=outputs)
    assert len(rows) == len(outputs) and all(row["ok"] for row in rows), rows[:3]


@torch.inference_mode()
def test_folded_lia_equals_the_original() -> None:
    """Within the tolerances of the plain networks, both frames as one batch; one frame alone takes other paths."""
    recorded = read(FIXTURES / "lia.json")
    modules = recorded.modes.build(recorded.meta)
    assert fill_modules(modules, recorded.meta) == []
    inputs = make_inputs(recorded.meta, [])
    fast = FoldedGenerator(modules["gen"])
    code, features = fast.enc(2 * inputs["source"] - 1)
    alpha = fast.enc.motion(2 * inputs["driving"] - 1)
    latents = code + fast.dec.direction(alpha)
    images = fast.dec(latents, features)
    outputs = {"source_code": code, "alpha.driving0": alpha[:1], "alpha.driving1": alpha[1:]}
    outputs |= {f"source_feat.{level}": feature for level, feature in enumerate(features)}
    compared(recorded, outputs | {f"absolute.driving{i}.image": images[i : i + 1] for i in range(2)})
    compared(recorded, {"absolute.driving0.image": fast.dec(latents[:1], features)})


@torch.inference_mode()
def test_modes_honour_every_parameter() -> None:
    """Also those that the public sidecar does not use: relative motion, the other sampling, noise."""
    modules, images = networks(DOUBLE), 2 * torch.rand(4, 1, 3, 64, 64, dtype=DOUBLE) - 1
    source = MODES["encode"](modules, {"image": images[0]}, {}, {}, {})
    alphas = [MODES["motion"](modules, {"image": image}, {}, {}, {}) for image in images]
    uses = dict(zip(("alpha_source", "alpha_driving", "alpha_initial"), alphas)) | {"source": source}
    params, corners = {"noise": None}, {"grid_sample": False, "interpolate": None}
    made = MODES["relative"](modules, {}, uses, params, corners)
    basis = MODES["basis"](modules, {}, {}, {}, {})["direction_basis"]
    magnitudes = alphas[1]["alpha"] - alphas[2]["alpha"] + alphas[0]["alpha"]
    features = [source[f"source_feat.{level}"] for level in range(4)]
    expected = modules["gen"].dec(source["source_code"] + magnitudes @ basis.T, features)
    torch.testing.assert_close(made["image"], expected.image, rtol=0, atol=1e-10)
    torch.testing.assert_close(made["warped_feat.2"], expected.warped[2], rtol=0, atol=1e-10)
    same = MODES["relative"](modules, {}, uses | {"alpha_initial": uses["alpha_source"]}, params, corners)
    absolute = MODES["absolute"](modules, {}, uses, params, corners)
    torch.testing.assert_close(same["image"], absolute["image"], rtol=0, atol=1e-10)
    other = MODES["absolute"](modules, {}, uses, params, corners | {"grid_sample": True})
    assert (other["image"] - absolute["image"]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="without noise"):
        MODES["absolute"](modules, {}, uses, {"noise": 0}, corners)


def test_gradients_reach_every_parameter() -> None:
    modules = networks()
    source, driving = torch.rand(2, 2, 3, 64, 64)
    made = modules["gen"](2 * source - 1, 2 * driving - 1)
    assert made.shape == driving.shape
    (made - driving).square().mean().backward()
    idle = {
        f"{name}.{key}"
        for name, module in modules.items()
        for key, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }
    unused = ("noise.weight", "to_rgb1.bias", "to_rgb1.conv.0.weight", "to_rgb1.conv.1.bias")  # so in the original too
    assert {name for name in idle if not name.endswith(unused)} == set()


@torch.inference_mode()
def test_fast_networks_are_the_plain_networks() -> None:
    """In float64, where nothing but mistakes is left; a batch of the fast against single frames of the plain."""
    plain, fast = (animator(way, DOUBLE) for way in (False, True))
    source, driving = torch.rand(4, 3, 64, 64, dtype=DOUBLE).split((1, 3))
    made = fast.render(fast.source(source), fast.points(driving), None)
    expected = [plain.render(plain.source(source), plain.points(frame), None) for frame in driving.split(1)]
    torch.testing.assert_close(made, torch.cat(expected), rtol=0, atol=1e-9)
    alone = fast.render(fast.source(source), fast.points(driving[:1]), None)
    torch.testing.assert_close(alone, made[:1], rtol=0, atol=1e-9)


def test_folding_leaves_the_networks_alone() -> None:
    modules = networks()
    before = {f"{n}.{key}": v.clone() for n, module in modules.items() for key, v in module.state_dict().items()}
    LIAAnimator(modules, 64)
    for name, module in modules.items():
        assert all(torch.equal(value, before[f"{name}.{key}"]) for key, value in module.state_dict().items())
        assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("motion", ("absolute", "relative"))
def test_fast_clip_is_the_plain_clip(motion: str) -> None:
    source, frames = clip(1, seed=3)[0], clip(18)
    fast, plain = (list(animate(animator(way), source, iter(frames), motion)) for way in (True, False))
    assert len(fast) == len(plain) == len(frames)
    assert np.abs(np.stack(fast).astype(int) - np.stack(plain)).max() <= 1


def test_relative_motion_is_absolute_where_source_is_the_first_driving_frame() -> None:
    frames, player = clip(4), animator()
    absolute, relative = (np.stack(list(animate(player, frames[0], iter(frames), m))).astype(int)
                          for m in ("absolute", "relative"))  # fmt: skip
    assert np.abs(absolute - relative).max() <= 1


def test_any_frame_size_and_lazily() -> None:
    player, taken = animator(), count()

    def endless() -> Iterator[np.ndarray]:
        for _ in taken:
            yield picture

    picture = clip(1, (50, 100))[0]
    made = list(islice(animate(player, clip(1, (90, 48))[0], endless()), 3))
    assert [frame.shape for frame in made] == [(90, 48, 3)] * 3 and made[0].dtype == np.uint8
    assert next(taken) <= player.batch + 1


def test_a_video_without_motion_fails() -> None:
    picture = clip(1)[0]
    with pytest.raises(ClipFailure, match="has 1 frames.* at least 2"):
        list(animate(animator(), picture, iter([picture])))


def trained(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    save_modules(networks(), folder / "model.safetensors")
    content = {"method": "lia", "size": "mini", "frame_size": 64, "training": {"steps": 7}} | record
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_method_of_a_training(tmp_path: Path) -> None:
    player = make_method("lia")
    player.load(trained(tmp_path / "model"), "mini", "cpu")
    assert player.kind == "scratch" and player.tasks == ("reconstruct",) and player.mini_name.endswith("-mini")
    assert player.settings({}) == {"motion": "absolute", "trained": "7 steps"}
    frames = clip(3)
    made = list(player.reconstruct(frames[0], iter(frames), CONTEXT))
    assert np.array_equal(made, list(animate(animator(), frames[0], iter(frames))))
    relative = replace(CONTEXT, options={"motion": "relative"})
    assert len(list(player.reconstruct(frames[0], iter(clip(3, seed=5)), relative))) == 3
    with pytest.raises(MethodUnavailable, match="not by sound"):
        player.talk(frames[0], np.zeros(16000, np.float32), 25, CONTEXT)


def test_method_says_what_it_lacks(tmp_path: Path) -> None:
    player = make_method("lia")
    with pytest.raises(MethodUnavailable, match="not loaded"):
        player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT)
    with pytest.raises(MethodUnavailable, match="semo fetch lia"):
        player.load(None, "official", "cpu")
    with pytest.raises(MethodUnavailable, match="holds fomm at size mini, not lia at mini"):
        player.load(trained(tmp_path / "other", method="fomm"), "mini", "cpu")
    save_modules({"generator": nn.Linear(2, 2)}, tmp_path / "other" / "model.safetensors")
    with pytest.raises(MethodUnavailable, match="model.safetensors: has no gen"):
        player.load(tmp_path / "other", "mini", "cpu")


def test_official_lia_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a training of the original leaves it: discriminator, optimisers and arguments beside the generator."""
    player = make_method("lia")
    monkeypatch.setattr(type(player), "sizes_of", {"official": MINI})
    content = {"gen": networks()["gen"].state_dict(), "dis": {}, "g_optim": {"state": {}}}
    torch.save(content | {"args": argparse.Namespace(size=64)}, tmp_path / "vox.pt")
    player.load(tmp_path, "official", "cpu")
    assert (player.name, player.kind) == ("LIA", "other")
    assert len(list(player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT))) == 2
    del content["gen"]["dec.direction.weight"]
    torch.save(content, tmp_path / "vox.pt")
    with pytest.raises(MethodUnavailable, match="dec.direction.weight"):
        make_method("lia").load(tmp_path, "official", "cpu")


