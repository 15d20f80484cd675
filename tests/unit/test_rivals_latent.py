"""LIA and LivePortrait: layers, folded networks against golden outputs and plain ones, clips, the method contract."""

from __future__ import annotations

import argparse
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
from torch import Tensor, nn

from baselines.blocks import stylegan2, stylegan2_folded
from baselines.blocks.animate import Animator, animate
from baselines.blocks.fft_conv import FFTConv3d, fast_length
from baselines.blocks.winograd3d import WinogradConv3d
from baselines.checkpoints import save_modules
from baselines.lia.animate import LIAAnimator
from baselines.lia.directions import Directions
from baselines.lia.folded import FoldedGenerator
from baselines.liveportrait.animate import LivePortraitAnimator
from baselines.liveportrait.config import EYES, LIPS, STITCHING, build_retargeting
from baselines.liveportrait.folded_spade import EnlargedConv, FoldedSpadeDecoder, normalised, standardised
from baselines.liveportrait.folded_warping import EnlargedConv3d, FoldedWarping, folded
from baselines.liveportrait.keypoints import Motion, degrees, relative_keypoints, rotation
from baselines.liveportrait.retargeting import retarget, stitch
from baselines.liveportrait.spade import SpadeDecoder
from baselines.method import ClipContext, ClipFailure, MethodUnavailable, make_method
from tests.parity import fill
from tests.parity.check import FIXTURES, fill_modules, make_inputs, read

ANIMATORS: dict[str, type[Animator]] = {"lia": LIAAnimator, "liveportrait": LivePortraitAnimator}
CONTEXT = ClipContext("clip", 0)
DOUBLE = torch.float64


def mini(method: str) -> Any:
    return import_module(f"baselines.{method}.config").SIZES["mini"]


def networks(method: str, dtype: torch.dtype = torch.float32, config: Any = None) -> dict[str, nn.Module]:
    """`mini` networks; noise in the layers that start at zero and in the statistics, so that nothing is idle."""
    torch.manual_seed(0)
    modules = import_module(f"baselines.{method}.config").build(config or mini(method))
    with torch.no_grad():
        for module in modules.values():
            for name, value in [*module.named_parameters(), *module.named_buffers()]:
                if name.endswith("running_var"):
                    value.uniform_(0.5, 1.5)
                elif value.dtype.is_floating_point and not name.endswith(("kernel", "weight_u", "weight_v")):
                    value.add_(0.05 * torch.randn_like(value))
                if name.endswith("fc_scale.bias"):
                    value.add_(1)
    return {name: module.eval().to(dtype) for name, module in modules.items()}


def animator(method: str, fast: bool = True, dtype: torch.dtype = torch.float32) -> Any:
    return ANIMATORS[method](networks(method, dtype), 64, fast)


def clip(frames: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> list[np.ndarray]:
    """Smooth pictures that move."""
    y, x = np.mgrid[: size[0], : size[1]] / 64
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    return [
        np.stack([127 + 120 * np.sin(5 * x + 3 * y + p + 0.3 * t) for p in phase], axis=-1).astype(np.uint8)
        for t in range(frames)
    ]


# ------------------------------------------------------------------ layers of StyleGAN2
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


# ------------------------------------------------------------------ LIA
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
        networks("lia", config=replace(mini("lia"), frame_size=128))


# ------------------------------------------------------------------ LivePortrait's keypoints
def test_angles_of_bins() -> None:
    logits = torch.full((1, 66), -100.0)
    logits[0, 40] = 100
    assert degrees(logits).item() == pytest.approx(40 * 3 - 97.5)
    assert degrees(torch.zeros(1, 66)).item() == pytest.approx(0, abs=1e-4)  # all bins alike: straight ahead


def test_rotation_turns_as_named() -> None:
    """Rows times R: pitch turns y to z, yaw z to x, roll x to y."""
    quarter, none = torch.tensor([90.0]), torch.tensor([0.0])
    x, y, z = torch.eye(3)
    for angles, before, after in (((quarter, none, none), y, z), ((none, quarter, none), z, x),
                                  ((none, none, quarter), x, y)):  # fmt: skip
        torch.testing.assert_close(before @ rotation(*angles)[0], after, atol=1e-6, rtol=0)
    any_angle = rotation(*torch.tensor([[20.0], [-35.0], [50.0]]))[0]
    torch.testing.assert_close(any_angle @ any_angle.T, torch.eye(3), atol=1e-6, rtol=0)
    assert torch.linalg.det(any_angle).item() == pytest.approx(1)


def motion(seed: int, batch: int = 1) -> Motion:
    generator = torch.Generator().manual_seed(seed)
    angles = 30 * torch.randn(3, batch, generator=generator)
    kp, exp = torch.randn(2, batch, 5, 3, generator=generator)
    scale, t = torch.rand(batch, 1, generator=generator) + 0.5, torch.randn(batch, 3, generator=generator)
    return Motion(kp, exp, rotation(*angles), scale, t)


def test_relative_is_absolute_where_the_source_is_the_first_frame() -> None:
    source, driving = motion(0), motion(1)
    torch.testing.assert_close(relative_keypoints(source, driving, source), driving.keypoints(source.kp))
    torch.testing.assert_close(relative_keypoints(source, driving, driving), source.keypoints())


def test_depth_is_not_translated() -> None:
    still = replace(motion(0), t=torch.zeros(1, 3))
    moved = replace(still, t=torch.tensor([[0.1, -0.2, 0.7]]))
    expected = torch.tensor([0.1, -0.2, 0.0]).expand(1, 5, 3)
    torch.testing.assert_close(moved.keypoints() - still.keypoints(), expected)


def test_stitching_and_retargeting() -> None:
    source, driving = motion(0).keypoints(), motion(1, batch=3).keypoints()
    given: list[Tensor] = []

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            given.append(x)
            return torch.arange(17.0).expand(len(x), -1)

    made = stitch(Fixed(), source, driving)
    assert torch.equal(given[0][1], torch.cat([source[0].flatten(), driving[1].flatten()]))
    torch.testing.assert_close(made, driving + torch.arange(15.0).view(5, 3) + torch.tensor([15.0, 16.0, 0.0]))
    assert given.clear() is None
    retarget(nn.Sequential(Fixed(), nn.Linear(17, 15)), source, torch.tensor([[0.3, 0.8]]))
    assert torch.equal(given[0][0, -2:], torch.tensor([0.3, 0.8])) and given[0].shape == (1, 17)


# ------------------------------------------------------------------ folded layers
def test_spectral_norm_is_divided_out() -> None:
    decoder = SpadeDecoder(guide=8, hidden=4, blocks=1, ups=(6,), upscale=2)
    conv = decoder.G_middle_0.conv_0
    conv(torch.rand(1, 16, 4, 4))  # one power iteration of training
    conv.eval()
    x = torch.rand(1, 16, 4, 4)
    torch.testing.assert_close(F.conv2d(x, normalised(conv), conv.bias, padding=1), conv(x))
    assert not torch.allclose(normalised(conv), conv.weight_orig)


@pytest.mark.parametrize("factor", (2, 4))
def test_convolution_of_repeated_pixels(factor: int) -> None:
    conv = nn.Conv2d(3, 5, 3, padding=1).requires_grad_(False).double()
    x = torch.randn(2, 3, 6, 4, dtype=DOUBLE)
    expected = conv(F.interpolate(x, scale_factor=factor))
    torch.testing.assert_close(EnlargedConv(conv, factor)(x), expected, rtol=0, atol=1e-12)


def test_convolution_of_a_volume_of_repeated_pixels() -> None:
    conv = nn.Conv3d(3, 5, 3, padding=1).requires_grad_(False).double()
    x = torch.randn(2, 3, 4, 6, 2, dtype=DOUBLE)
    expected = conv(F.interpolate(x, scale_factor=(1, 2, 2)))
    torch.testing.assert_close(EnlargedConv3d(conv)(x), expected, rtol=0, atol=1e-12)


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


def test_batch_norm_is_folded_and_norms_ignore_repeated_pixels() -> None:
    conv, norm = nn.Conv3d(3, 4, 3).requires_grad_(False), nn.BatchNorm3d(4).eval().requires_grad_(False)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 1.5)
    norm.weight.normal_()
    x = torch.randn(1, 3, 4, 5, 6)
    torch.testing.assert_close(folded(conv, norm)(x), norm(conv(x)), rtol=1e-4, atol=1e-5)
    picture = torch.randn(2, 3, 5, 7)
    expected = F.instance_norm(F.interpolate(picture, scale_factor=2))
    torch.testing.assert_close(F.interpolate(standardised(picture), scale_factor=2), expected, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------ against the originals
def golden(method: str, used: tuple[str, ...] | None = None) -> tuple[Any, dict[str, nn.Module], dict[str, Tensor]]:
    recorded = read(FIXTURES / f"{method}.json")
    modules = recorded.modes.build(recorded.meta)
    recorded.meta["modules"] = {name: recorded.meta["modules"][name] for name in used or modules}
    modules = {name: modules[name] for name in used or modules}
    assert fill_modules(modules, recorded.meta) == []
    return recorded, modules, make_inputs(recorded.meta, [])


def compared(recorded: Any, outputs: dict[str, Tensor]) -> None:
    rows = fill.compare(outputs, recorded.arrays, recorded.meta, only=outputs)
    assert len(rows) == len(outputs) and all(row["ok"] for row in rows), rows[:3]


@torch.inference_mode()
def test_folded_lia_equals_the_original() -> None:
    """Within the tolerances of the plain networks, both frames as one batch; one frame alone takes other paths."""
    recorded, modules, inputs = golden("lia")
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
def test_folded_liveportrait_equals_the_original() -> None:
    recorded, modules, inputs = golden("liveportrait", LivePortraitAnimator.used)
    source, driving = (
        Motion.from_raw(modules["motion_extractor"](image)).keypoints()
        for image in (inputs["source"], inputs["driving"][:1])
    )
    volume = modules["appearance_feature_extractor"](inputs["source"])
    warp, paint = FoldedWarping(modules["warping_module"], 64, 16), FoldedSpadeDecoder(modules["spade_generator"])
    made = warp(volume, source, driving)
    fields = {"occlusion_map": made.occlusion, "deformation": made.deformation, "mask": made.mask}
    fields |= {"warped_out": made.out, "image": paint(made.out)}
    compared(recorded, {f"absolute.driving0.{name}": field for name, field in fields.items()})


# ------------------------------------------------------------------ networks at mini
@pytest.mark.parametrize("method", ANIMATORS)
def test_gradients_reach_every_parameter(method: str) -> None:
    modules = {name: module.train() for name, module in networks(method).items()}
    source, driving = torch.rand(2, 4, 3, 64, 64)
    if method == "lia":
        made = modules["gen"](2 * source - 1, 2 * driving - 1)
    else:
        ours, theirs = (Motion.from_raw(modules["motion_extractor"](image)) for image in (source, driving))
        volume = modules["appearance_feature_extractor"](source)
        made = modules["spade_generator"](
            modules["warping_module"](volume, ours.keypoints(), theirs.keypoints(ours.kp)).out
        )
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


@pytest.mark.parametrize("method", ANIMATORS)
@torch.inference_mode()
def test_fast_networks_are_the_plain_networks(method: str) -> None:
    """In float64, where nothing but mistakes is left; a batch of the fast against single frames of the plain."""
    plain, fast = (animator(method, way, DOUBLE) for way in (False, True))
    source, driving = torch.rand(4, 3, 64, 64, dtype=DOUBLE).split((1, 3))
    made = fast.render(fast.source(source), fast.points(driving), None)
    expected = [plain.render(plain.source(source), plain.points(frame), None) for frame in driving.split(1)]
    torch.testing.assert_close(made, torch.cat(expected), rtol=0, atol=1e-9)
    alone = fast.render(fast.source(source), fast.points(driving[:1]), None)
    torch.testing.assert_close(alone, made[:1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ANIMATORS)
def test_folding_leaves_the_networks_alone(method: str) -> None:
    modules = networks(method)
    before = {f"{n}.{key}": v.clone() for n, module in modules.items() for key, v in module.state_dict().items()}
    ANIMATORS[method](modules, 64)
    for name, module in modules.items():
        assert all(torch.equal(value, before[f"{name}.{key}"]) for key, value in module.state_dict().items())
        assert all(parameter.requires_grad for parameter in module.parameters())


# ------------------------------------------------------------------ clips
@pytest.mark.parametrize("motion", ("absolute", "relative"))
@pytest.mark.parametrize("method", ANIMATORS)
def test_fast_clip_is_the_plain_clip(method: str, motion: str) -> None:
    source, frames = clip(1, seed=3)[0], clip(18)
    fast, plain = (list(animate(animator(method, way), source, iter(frames), motion)) for way in (True, False))
    assert len(fast) == len(plain) == len(frames)
    assert np.abs(np.stack(fast).astype(int) - np.stack(plain)).max() <= 1


@pytest.mark.parametrize("method", ANIMATORS)
def test_relative_motion_is_absolute_where_source_is_the_first_driving_frame(method: str) -> None:
    frames, player = clip(4), animator(method)
    absolute, relative = (np.stack(list(animate(player, frames[0], iter(frames), m))).astype(int)
                          for m in ("absolute", "relative"))  # fmt: skip
    assert np.abs(absolute - relative).max() <= 1


@pytest.mark.parametrize("method", ANIMATORS)
def test_any_frame_size_and_lazily(method: str) -> None:
    player, taken = animator(method), count()

    def endless() -> Iterator[np.ndarray]:
        for _ in taken:
            yield picture

    picture = clip(1, (50, 100))[0]
    made = list(islice(animate(player, clip(1, (90, 48))[0], endless()), 3))
    assert [frame.shape for frame in made] == [(90, 48, 3)] * 3 and made[0].dtype == np.uint8
    assert next(taken) <= player.batch + 1


@pytest.mark.parametrize("method", ANIMATORS)
def test_a_video_without_motion_fails(method: str) -> None:
    picture = clip(1)[0]
    with pytest.raises(ClipFailure, match="has 1 frames.* at least 2"):
        list(animate(animator(method), picture, iter([picture])))


def test_stitching_changes_the_clip_of_one_call_only() -> None:
    config = replace(mini("liveportrait"), retargeting=True)
    player = LivePortraitAnimator(networks("liveportrait", config=config), 64)
    source, frames = clip(1, seed=3)[0], clip(2)
    plain, *others, again = (
        np.stack(list(animate(made, source, iter(frames))))
        for made in (player, player.edited(stitching=True), player.edited(eyes=(0.3, 0.3, 0.0)),
                     player.edited(lips=(0.1, 0.9)), player)
    )  # fmt: skip
    assert np.array_equal(plain, again)
    assert all(not np.array_equal(plain, other) for other in others)
    with pytest.raises(ValueError, match="takes 2 ratios, not 1"):
        player.edited(lips=(0.1,))


# ------------------------------------------------------------------ the contract
def trained(method: str, folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    save_modules(networks(method), folder / "model.safetensors")
    content = {"method": method, "size": "mini", "frame_size": 64, "training": {"steps": 7}} | record
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("method", ANIMATORS)
def test_method_of_a_training(method: str, tmp_path: Path) -> None:
    player = make_method(method)
    player.load(trained(method, tmp_path / "model"), "mini", "cpu")
    assert player.kind == "scratch" and player.tasks == ("reconstruct",) and player.mini_name.endswith("-mini")
    assert player.settings({}) == {"motion": "absolute", "trained": "7 steps"}
    frames = clip(3)
    made = list(player.reconstruct(frames[0], iter(frames), CONTEXT))
    assert np.array_equal(made, list(animate(animator(method), frames[0], iter(frames))))
    relative = replace(CONTEXT, options={"motion": "relative"})
    assert len(list(player.reconstruct(frames[0], iter(clip(3, seed=5)), relative))) == 3
    with pytest.raises(MethodUnavailable, match="not by sound"):
        player.talk(frames[0], np.zeros(16000, np.float32), 25, CONTEXT)


@pytest.mark.parametrize("method", ANIMATORS)
def test_method_says_what_it_lacks(method: str, tmp_path: Path) -> None:
    player = make_method(method)
    with pytest.raises(MethodUnavailable, match="not loaded"):
        player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT)
    with pytest.raises(MethodUnavailable, match=f"semo fetch {method}"):
        player.load(None, "official", "cpu")
    other = {"lia": "liveportrait", "liveportrait": "lia"}[method]
    with pytest.raises(MethodUnavailable, match="model.safetensors: has no"):
        player.load(trained(other, tmp_path / "other"), "mini", "cpu")


def test_stitching_needs_its_network(tmp_path: Path) -> None:
    player = make_method("liveportrait")
    player.load(trained("liveportrait", tmp_path / "model"), "mini", "cpu")
    wanted = replace(CONTEXT, options={"stitching": True})
    assert player.settings(wanted.options)["stitching"] is True
    with pytest.raises(ValueError, match="have no stitching_retargeting/stitching"):
        player.reconstruct(clip(1)[0], iter(clip(2)), wanted)


def test_official_lia_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a training of the original leaves it: discriminator, optimisers and arguments beside the generator."""
    player = make_method("lia")
    monkeypatch.setattr(type(player), "sizes_of", {"official": mini("lia")})
    content = {"gen": networks("lia")["gen"].state_dict(), "dis": {}, "g_optim": {"state": {}}}
    torch.save(content | {"args": argparse.Namespace(size=64)}, tmp_path / "vox.pt")
    player.load(tmp_path, "official", "cpu")
    assert (player.name, player.kind) == ("LIA", "other")
    assert len(list(player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT))) == 2
    del content["gen"]["dec.direction.weight"]
    torch.save(content, tmp_path / "vox.pt")
    with pytest.raises(MethodUnavailable, match="dec.direction.weight"):
        make_method("lia").load(tmp_path, "official", "cpu")


def test_official_liveportrait_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bare state dict per network; one file of three, with DataParallel's prefix, which may be absent."""
    player = make_method("liveportrait")
    config = replace(mini("liveportrait"), upscale=4)  # twice the input's size, as published
    monkeypatch.setattr(type(player), "sizes_of", {"official": config})
    for name, module in networks("liveportrait", config=config).items():
        torch.save(module.state_dict(), tmp_path / f"{name}.pth")
    player.load(tmp_path, "official", "cpu")
    assert (player.name, player.kind) == ("LivePortrait", "other")
    made = list(player.reconstruct(clip(1)[0], iter(clip(2)), CONTEXT))
    assert [frame.shape for frame in made] == [(64, 64, 3)] * 2  # 128 px, averaged
    stitching = replace(CONTEXT, options={"stitching": True})
    with pytest.raises(ValueError, match="have no"):
        player.reconstruct(clip(1)[0], iter(clip(2)), stitching)
    small = build_retargeting(config)
    keys = {"retarget_shoulder": STITCHING, "retarget_mouth": LIPS, "retarget_eye": EYES}
    states = {key: {f"module.{k}": v for k, v in small[name].state_dict().items()} for key, name in keys.items()}
    torch.save(states, tmp_path / "stitching_retargeting_module.pth")
    player.load(tmp_path, "official", "cpu")
    assert len(list(player.reconstruct(clip(1)[0], iter(clip(2)), stitching))) == 2
    (tmp_path / "spade_generator.pth").unlink()
    with pytest.raises(MethodUnavailable, match="spade_generator.pth"):
        make_method("liveportrait").load(tmp_path, "official", "cpu")
