"""LivePortrait: keypoints, motions, fast networks and clips, at `mini` size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines.blocks.animate import animate
from baselines.blocks.fft_conv import FFTConv3d
from baselines.blocks.vid2vid.angles import degrees
from baselines.blocks.vid2vid.folded_spade import EnlargedConv, FoldedSpadeDecoder, normalised
from baselines.blocks.vid2vid.folded_warping import EnlargedConv3d, FoldedWarping
from baselines.blocks.vid2vid.spade import SpadeDecoder
from baselines.blocks.vid2vid.translations import candidates
from baselines.blocks.winograd import WinogradConv
from baselines.blocks.winograd3d import WinogradConv3d
from baselines.liveportrait.animate import LivePortraitAnimator
from baselines.liveportrait.keypoints import DEGREE_OFFSET, DEGREES_PER_BIN, Motion, relative_keypoints, rotation
from baselines.liveportrait.retargeting import stitch
from baselines.method import ClipFailure
from tests.parity import fill
from tests.parity.check import FIXTURES, fill_modules, make_inputs, read
from tests.parity.modes.liveportrait import MODES
from tests.unit.liveportrait_samples import WITH_RETARGETING, animator, clip, networks, predict


def test_fast_networks_equal_the_original() -> None:
    """Spectra, Winograd and folded norms stay within the tolerance recorded for the plain networks."""
    golden = read(FIXTURES / "liveportrait.json")
    meta: dict[str, Any] = golden.meta
    meta["modules"] = {name: meta["modules"][name] for name in LivePortraitAnimator.used}
    modules = golden.modes.build(meta)
    assert set(modules) == set(LivePortraitAnimator.used) and fill_modules(modules, meta) == []
    player = LivePortraitAnimator(modules, 256)
    inputs = make_inputs(meta, [])
    with torch.inference_mode():
        source = player.source(inputs["source"].contiguous(memory_format=torch.channels_last))
        moved = torch.from_numpy(golden.arrays["x.driving0"]).view(1, 21, 3)
        warped = player.modules["warping_module"](source.small, source.maps, moved)
        made = {
            "x.source": source.maps,
            "feature_3d": source.small,
            "absolute.driving0.mask": warped.mask,
            "absolute.driving0.deformation": warped.deformation,
            "absolute.driving0.occlusion_map": warped.occlusion,
            "absolute.driving0.warped_out": warped.out,
            "absolute.driving0.image": player.modules["spade_generator"](warped.out),
        }
    assert [row for row in fill.compare(made, golden.arrays, meta, only=list(made)) if not row["ok"]] == []


@torch.inference_mode()
def test_modes_honour_their_parameters() -> None:
    """What the recorded sidecar does not ask for: relative motion, stitching, other bins, the other align_corners."""
    modules, corners = networks(WITH_RETARGETING), {"grid_sample": None, "interpolate": None}

    def run(
        mode: str, uses: dict[str, Any], params: dict[str, Any] | None = None, **inputs: Tensor
    ) -> dict[str, Tensor]:
        return MODES[mode](modules, inputs, uses, params or {}, corners)

    bins = {"bins": 66, "degrees_per_bin": 3.0, "degree_offset": -97.5}
    source, driving = (run("motion", {}, image=image) for image in torch.rand(2, 1, 3, 64, 64))
    turned, other = (run("rotation", {"motion": source}, bins | {"degree_offset": at})["R"] for at in (-97.5, -90.0))
    torch.testing.assert_close(turned, Motion.from_raw(source).rotation)
    assert not torch.allclose(turned, other)
    with pytest.raises(ValueError, match="counts 67 bins"):
        run("rotation", {"motion": source}, bins | {"bins": 67})
    x_source, x_driving = (run("keypoints", {"motion": motion}, bins) for motion in (source, driving))
    roles = {"source": source, "driving": driving, "initial": driving}
    uses = {f"motion_{role}": motion for role, motion in roles.items()}
    uses |= {f"R_{role}": run("rotation", {"motion": motion}, bins) for role, motion in roles.items()}
    torch.testing.assert_close(run("relative_keypoints", uses)["x"], x_source["x"])
    pair = {"kp_source": x_source, "kp_driving": x_driving}
    assert not torch.allclose(run("stitching", pair)["x"], x_driving["x"])
    volume = run("appearance", {}, image=torch.rand(1, 3, 64, 64))
    corners["grid_sample"] = False
    made = run("absolute", {"feature_3d": volume} | pair)
    corners["grid_sample"] = True
    assert not torch.allclose(run("relative", {"feature_3d": volume} | pair)["image"], made["image"])


def test_bins_are_three_degrees() -> None:
    logits = torch.full((2, 66), -1e4)
    logits[0, 32] = logits[0, 33] = logits[1, 0] = 1e4
    assert degrees(logits, DEGREES_PER_BIN, DEGREE_OFFSET).tolist() == [0.0, -97.5]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_rotations_turn(seed: int) -> None:
    angles = (torch.rand(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5) * 180
    turned = rotation(*angles)
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3, dtype=torch.float64).expand(4, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turned), torch.ones(4, dtype=torch.float64))


def test_yaw_turns_about_the_vertical_axis() -> None:
    zero, right = torch.zeros(1), torch.full((1,), 90.0)
    torch.testing.assert_close(torch.tensor([[0.0, 1.0, 0.0]]) @ rotation(zero, right, zero)[0],
                               torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-6, rtol=0)  # fmt: skip
    torch.testing.assert_close(torch.tensor([[0.0, 0.0, 1.0]]) @ rotation(zero, right, zero)[0],
                               torch.tensor([[1.0, 0.0, 0.0]]), atol=1e-6, rtol=0)  # fmt: skip


def random_motion(seed: int, batch: int = 2) -> Motion:
    generator = torch.Generator().manual_seed(seed)
    kp, exp = torch.rand(2, batch, 5, 3, generator=generator, dtype=torch.float64)
    angles = 60 * torch.rand(3, batch, generator=generator, dtype=torch.float64)
    scale, t = torch.rand(batch, 1, generator=generator).double() + 0.5, torch.rand(batch, 3, generator=generator)
    return Motion(kp, exp, rotation(*angles), scale, t.double())


def test_relative_motion_is_absolute_where_the_source_is_the_initial_frame() -> None:
    source, driving = random_motion(0), random_motion(1)
    torch.testing.assert_close(relative_keypoints(source, driving, source), driving.keypoints(source.kp))
    torch.testing.assert_close(relative_keypoints(source, driving, driving), source.keypoints())


def test_depth_is_not_translated() -> None:
    motion = random_motion(2)
    further = replace(motion, t=motion.t + torch.tensor([0.1, 0.2, 5.0], dtype=torch.float64))
    shift = further.keypoints() - motion.keypoints()
    torch.testing.assert_close(shift, torch.tensor([0.1, 0.2, 0.0], dtype=torch.float64).expand_as(shift))


def test_stitching_adds_to_points_and_to_all_of_them() -> None:
    network = nn.Linear(30, 17).double().requires_grad_(False)
    network.weight.zero_()
    network.bias.copy_(torch.arange(17))
    driving = random_motion(3).keypoints()
    moved = stitch(network, random_motion(4, 1).keypoints(), driving) - driving
    expected = torch.arange(15.0).view(5, 3) + torch.tensor([15.0, 16.0, 0.0])
    torch.testing.assert_close(moved, expected.double().expand(2, 5, 3))


@pytest.mark.parametrize("align_corners", (True, False))
def test_candidates_are_trilinear_samples(align_corners: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(1, 2, 4, 6, 8, generator=generator, dtype=torch.float64)
    driving, source = torch.rand(2, 3, 5, 3, generator=generator, dtype=torch.float64) * 2 - 1
    made = candidates(volume, driving, source[:1], align_corners).unflatten(1, (6, 3))
    z, y, x = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in (4, 6, 8))
    grid = torch.stack(torch.meshgrid(z, y, x, indexing="ij")[::-1], dim=-1)
    for i in range(3):
        shifts = torch.cat([torch.zeros(1, 3).double(), source[0] - driving[i]])
        flows = grid + shifts[:, None, None, None]
        sampled = F.grid_sample(volume.expand(6, -1, -1, -1, -1), flows, align_corners=align_corners)
        torch.testing.assert_close(made[i, :, 1:], sampled)
        away = grid - torch.stack([driving[i], source[0]])[:, :, None, None, None]  # (2, K, D, H, W, 3)
        blobs = torch.exp(-50 * away.square().sum(-1))
        torch.testing.assert_close(made[i, 1:, 0], blobs[0] - blobs[1])
    assert not made[:, 0, 0].any()


def test_motions_have_the_gradient_of_sampling() -> None:
    points = torch.tensor([[[0.13, -0.21, 0.33]]], dtype=torch.float64, requires_grad=True)
    volume = torch.randn(1, 1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    source = 0.5 * points.detach()
    assert torch.autograd.gradcheck(lambda v, p: candidates(v, p, source, False), (volume, points))


@torch.no_grad()
def test_fast_convolutions_are_the_convolutions() -> None:
    torch.manual_seed(0)
    large = nn.Conv3d(3, 5, 7, padding=3).double()
    x = torch.randn(2, 3, 5, 32, 16, dtype=torch.float64)
    torch.testing.assert_close(FFTConv3d(large, 5)(x), large(x))
    conv = nn.Conv3d(3, 5, 3, padding=1).double()
    torch.testing.assert_close(WinogradConv3d(conv)(x), conv(x))
    torch.testing.assert_close(EnlargedConv3d(conv)(x), conv(F.interpolate(x, scale_factor=(1, 2, 2))))
    flat = nn.Conv2d(3, 5, 3, padding=1).double()
    for factor in (2, 4):
        enlarged = F.interpolate(x[:, :, 0], scale_factor=factor)
        torch.testing.assert_close(EnlargedConv(flat, factor)(x[:, :, 0]), flat(enlarged))


@torch.no_grad()
def test_fast_decoder_is_the_decoder() -> None:
    """Channels are as many as Winograd's way needs."""
    torch.manual_seed(0)
    decoder = SpadeDecoder(guide=64, hidden=128, blocks=1, ups=(64, 16), upscale=2).double().eval()
    fast = FoldedSpadeDecoder(decoder)
    assert sum(isinstance(part, WinogradConv) for part in fast.modules()) >= 4
    guide = torch.randn(2, 64, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(fast(guide), decoder(guide), rtol=0, atol=1e-10)


@torch.no_grad()
def test_spectral_norm_divides_by_the_stored_singular_value() -> None:
    decoder = networks(dtype=torch.float64)["spade_generator"]
    conv = decoder.get_submodule("G_middle_0.conv_0")
    weight = conv.weight_orig.flatten(1)
    torch.testing.assert_close(normalised(conv), conv.weight_orig / (conv.weight_u @ weight @ conv.weight_v))
    decoder(torch.rand(1, decoder.fc.in_channels, 8, 8, dtype=torch.float64))
    torch.testing.assert_close(normalised(conv), conv.weight)


@torch.inference_mode()
def test_fast_networks_are_the_plain_networks() -> None:
    plain, fast = (animator(way, dtype=torch.float64) for way in (False, True))
    source, driving = torch.rand(4, 3, 64, 64, dtype=torch.float64).split((1, 3))
    made = fast.render(fast.source(source), fast.points(driving), None)
    prepared = plain.source(source)
    expected = [plain.render(prepared, plain.points(frame), None) for frame in driving.split(1)]
    torch.testing.assert_close(made, torch.cat(expected), rtol=0, atol=1e-8)


def test_fast_networks_leave_the_networks_alone() -> None:
    modules = networks()
    predict(modules, *torch.rand(2, 1, 3, 64, 64)).sum().backward()  # weights with a history
    before = {name: value.clone() for name, value in modules["warping_module"].state_dict().items()}
    FoldedWarping(modules["warping_module"], 16, 4)
    FoldedSpadeDecoder(modules["spade_generator"])
    assert all(torch.equal(value, before[name]) for name, value in modules["warping_module"].state_dict().items())
    assert all(value.requires_grad for module in modules.values() for value in module.parameters())


def test_gradients_reach_every_parameter() -> None:
    modules = networks()
    source, driving = torch.rand(2, 2, 3, 64, 64)
    (predict(modules, source, driving) - driving).abs().mean().backward()
    idle = {
        f"{name}.{key}" for name, module in modules.items() for key, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }
    assert not idle


@torch.inference_mode()
def test_a_batch_gives_what_single_frames_give() -> None:
    modules = networks(dtype=torch.float64)
    source, driving = torch.rand(2, 3, 3, 64, 64, dtype=torch.float64)
    together = predict(modules, source, driving)
    assert together.shape == (3, 3, 64, 64) and 0 <= together.min() and together.max() <= 1
    alone = torch.cat([predict(modules, source[i : i + 1], driving[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-8)


def test_fast_clip_is_the_plain_clip() -> None:
    frames = clip(6)
    fast, plain = (list(animate(animator(way), frames[0], iter(frames))) for way in (True, False))
    assert len(fast) == len(plain) == 6
    assert np.abs(np.stack(fast).astype(int) - np.stack(plain)).max() <= 1


def test_relative_clip_is_absolute_where_the_source_is_the_first_driving_frame() -> None:
    frames = clip(4)
    made = [list(animate(animator(), frames[0], iter(frames), motion)) for motion in ("relative", "absolute")]
    assert np.abs(np.stack(made[0]).astype(int) - np.stack(made[1])).max() <= 1
    other = [list(animate(animator(), clip(1, seed=7)[0], iter(frames), motion)) for motion in ("relative", "absolute")]
    assert not np.array_equal(*other)


def test_any_frame_size() -> None:
    made = list(animate(animator(), clip(1, (90, 48))[0], iter(clip(3, (50, 100)))))
    assert [frame.shape for frame in made] == [(90, 48, 3)] * 3 and made[0].dtype == np.uint8


def test_a_long_video_is_read_as_it_is_used() -> None:
    player, taken, picture = animator(), count(), clip(1)[0]

    def endless() -> Iterator[np.ndarray]:
        for _ in taken:
            yield picture

    assert len(list(islice(animate(player, picture, endless()), player.batch))) == player.batch
    assert next(taken) <= player.batch + 2


def test_pictures_of_the_official_size_are_made_one_by_one() -> None:
    """At 256 px one frame takes what there is of cache, and memory does not grow with the clip."""
    player = LivePortraitAnimator(networks(), 256)
    assert player.batch == 1 and animator().batch == 16


def test_a_still_is_no_driving_video() -> None:
    with pytest.raises(ClipFailure, match="has 1 frames"):
        list(animate(animator(), clip(1)[0], iter(clip(1))))


def test_corrections_change_the_picture_and_only_when_asked() -> None:
    player, frames = animator(config=WITH_RETARGETING), clip(3)
    plain = list(animate(player, frames[0], iter(frames)))
    for wanted in ({"stitching": True}, {"eyes": [0.3, 0.3, 0.05]}, {"lips": [0.0, 0.4]}):
        assert not np.array_equal(list(animate(player.edited(**wanted), frames[0], iter(frames))), plain)
    assert np.array_equal(list(animate(player.edited(), frames[0], iter(frames))), plain)


@pytest.mark.parametrize("wanted", [{"eyes": [0.3]}, {"lips": 0.4}, {"lips": [1, 2, 3]}])
def test_wrong_ratios_are_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="takes . ratios"):
        animator(config=WITH_RETARGETING).edited(**wanted)


@pytest.mark.parametrize("wanted", [{"stitching": True}, {"eyes": [0.3, 0.3, 0.1]}])
def test_mini_has_no_corrections(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="have no stitching_retargeting"):
        animator().edited(**wanted)
