"""The networks: shapes, what masks hide, what starts as the identity, gradients everywhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.model import Decoder, MotionEncoder, MotionGenerator
from semo.model.decoder import warp
from semo.model.layers import attend, patchify, unpatchify
from semo.model.motion_encoder import random_keep

SMALL = {"channels": 3, "size": 16, "patch": 4, "width": 32, "depth": 2, "heads": 2}
MOTION = {"motion_tokens": 2, "motion_dim": 8}
MINI = {"motion_in_adaln": True, "reference_input": "channel", "reference_skip": "warp", "gate_init": 1.0,
        "warp_cells": 2, "refine_width": 4}


def latents(batch: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def perturb(network: torch.nn.Module) -> torch.nn.Module:
    """Moves every parameter off its zero initialisation."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def decoder_inputs(batch: int = 3):
    generator = torch.Generator().manual_seed(1)
    motion = torch.randn(2, batch, 2, 8, generator=generator)
    return latents(batch, 1), latents(batch, 2), motion[0], motion[1], torch.rand(batch, generator=generator)


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 4), patch=st.integers(1, 4), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_patchify_round_trip(channels, patch, rows, columns):
    x = torch.randn(2, channels, rows * patch, columns * patch)
    tokens = patchify(x, patch)
    assert tokens.shape == (2, rows * columns, channels * patch * patch)
    assert torch.equal(unpatchify(tokens, channels, patch, rows, columns), x)


def test_patches_are_row_major():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert patchify(x, 2)[0, 1].tolist() == [2, 3, 6, 7]


def test_written_out_attention_equals_the_fused_one():
    q, k, v = torch.randn(3, 2, 4, 17, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend(q, k, v), expected, atol=1e-6, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(tokens=st.integers(1, 70), ratio=st.floats(0.01, 0.99))
def test_masking_keeps_the_stated_share_in_order(tokens, ratio):
    keep = random_keep(4, tokens, ratio, torch.Generator().manual_seed(0))
    assert keep.shape == (4, max(1, round(tokens * (1 - ratio))))
    assert bool((keep.diff(dim=1) > 0).all())
    assert 0 <= int(keep.min()) and int(keep.max()) < tokens


def test_masking_draws_positions_per_frame():
    keep = random_keep(8, 64, 0.5, torch.Generator().manual_seed(0))
    assert len({tuple(row.tolist()) for row in keep}) == 8
    assert random_keep(8, 64, 0.0) is None


def test_encoder_sees_nothing_of_masked_patches():
    encoder = perturb(MotionEncoder(**SMALL, **MOTION)).eval()
    x = latents(1)
    keep = torch.tensor([[0, 5, 10]])
    changed = x.clone()
    changed[:, :, 4:8, 12:16] += 10  # patch 7
    assert torch.equal(encoder(x, keep), encoder(changed, keep))
    assert not torch.allclose(encoder(x), encoder(changed))


def test_masked_encoder_keeps_positions():
    """The same patch contents at other places give another motion: survivors know where they were."""
    encoder = perturb(MotionEncoder(**SMALL, **MOTION)).eval()
    x = torch.ones(1, 3, 16, 16)
    assert not torch.allclose(encoder(x, torch.tensor([[0, 1]])), encoder(x, torch.tensor([[10, 15]])))


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_encoder_output(norm):
    encoder = MotionEncoder(**SMALL, **MOTION, motion_norm=norm)
    motion = encoder(latents(5))
    assert motion.shape == (5, 2, 8)
    if norm == "layer":
        torch.testing.assert_close(motion.mean(-1), torch.zeros(5, 2), atol=1e-5, rtol=0)
    if norm == "batch":
        torch.testing.assert_close(motion.mean(0), torch.zeros(2, 8), atol=1e-5, rtol=0)


def test_table5_changes_only_the_bottleneck():
    counts = {
        dim: sum(p.numel() for n, p in MotionEncoder(**SMALL, motion_dim=dim).named_parameters() if "project" not in n)
        for dim in (4, 64)
    }
    assert counts[4] == counts[64]


def test_decoder_starts_as_zero_and_the_warping_one_as_a_copy():
    inputs = decoder_inputs()
    assert torch.equal(Decoder(**SMALL, **MOTION)(*inputs), torch.zeros(3, 3, 16, 16))
    torch.testing.assert_close(Decoder(**SMALL, **MOTION, **MINI)(*inputs), inputs[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, MINI, {"reference_skip": "add"}])
@pytest.mark.parametrize("temporal", ["none", "joint", "axial"])
def test_every_parameter_gets_a_gradient(options, temporal):
    decoder = perturb(Decoder(**SMALL, **MOTION, **options, temporal=temporal))
    encoder = perturb(MotionEncoder(**SMALL, **MOTION))
    reference, noised, _, _, tau = decoder_inputs(2)
    frames = torch.stack([noised, noised.flip(-1), noised.flip(-2)], dim=1)  # (2, 3, 3, 16, 16)
    m_ref = encoder(reference)
    m_tgt = encoder(frames.flatten(0, 1)).unflatten(0, (2, 3))
    target = torch.randn(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(9))
    (decoder(reference, frames, m_ref, m_tgt, tau) - target).square().mean().backward()
    dead = [n for m in (encoder, decoder) for n, p in m.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize("options", [{}, MINI])
def test_decoder_uses_every_input_and_no_other_sample(options):
    decoder = perturb(Decoder(**SMALL, **MOTION, **options)).eval()
    inputs = decoder_inputs()
    out = decoder(*inputs)
    for index in range(5):
        changed = [x.clone() for x in inputs]
        changed[index][0] = changed[index][0] * 0.5 + 0.3
        other = decoder(*changed)
        assert not torch.allclose(other[0], out[0], atol=1e-6), f"input {index} has no effect"
        torch.testing.assert_close(other[1:], out[1:], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("temporal", ["joint", "axial"])
def test_video_decoder_starts_as_the_image_decoder_and_then_mixes_frames(temporal):
    image = perturb(Decoder(**SMALL, **MOTION))
    video = Decoder(**SMALL, **MOTION, temporal=temporal)
    assert not video.load_state_dict(image.state_dict(), strict=False).unexpected_keys
    reference, noised, m_ref, m_tgt, tau = decoder_inputs(1)
    frames, motions = torch.cat([noised, noised * 0.5])[None], torch.stack([m_tgt[0], -m_tgt[0]])[None]
    out = video(reference, frames, m_ref, motions, tau)
    for i in range(2):
        torch.testing.assert_close(out[:, i], image(reference, frames[:, i], m_ref, motions[:, i], tau))
    perturb(video)
    changed = frames.clone()
    changed[:, 1] += 1
    assert not torch.allclose(video(reference, changed, m_ref, motions, tau)[:, 0],
                              video(reference, frames, m_ref, motions, tau)[:, 0])


def test_warp_shifts_by_whole_pixels():
    x = latents(1)
    shift = torch.zeros(1, 2, 16, 16)
    shift[:, 0] = 2 * 3 / 16  # three pixels to the right, in half sides
    torch.testing.assert_close(warp(x, shift)[..., :-3], x[..., 3:], atol=1e-5, rtol=1e-5)


def generator_inputs(batch: int = 2):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(batch, 4, 2, 8, generator=g), torch.randn(batch, 6, 2, 8, generator=g),
            torch.randn(batch, 2, 8, generator=g), torch.randn(batch, 20, 5, generator=g),
            torch.rand(batch, generator=g)]


def small_generator() -> MotionGenerator:
    return perturb(MotionGenerator(2, 8, 5, width=32, depth=2, heads=2, previous=4, window=6))


def test_generator_shape_inputs_and_gradients():
    network, inputs = small_generator(), generator_inputs()
    out = network(*inputs, torch.tensor([True, False]), torch.tensor([False, True]))
    assert out.shape == (2, 6, 2, 8)
    out.square().mean().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
    base = network(*inputs)
    for index in range(5):
        changed = [x.clone() for x in inputs]
        changed[index] += 0.5
        assert not torch.allclose(network(*changed), base, atol=1e-6), f"input {index} has no effect"


def test_missing_history_and_sound_are_ignored():
    network, inputs = small_generator(), generator_inputs()
    no = torch.tensor([False, False])
    changed = [x.clone() for x in inputs]
    changed[0] += 1
    changed[3] += 1
    torch.testing.assert_close(network(*inputs, no, no), network(*changed, no, no))


@pytest.mark.parametrize("bad", [{"reference_skip": "flow"}, {"temporal": "3d"}, {"reference_input": "both"}])
def test_unknown_option_is_refused(bad):
    with pytest.raises(ValueError, match="use one of"):
        Decoder(**SMALL, **MOTION, **bad)


def test_networks_survive_saving(tmp_path):
    encoder = perturb(MotionEncoder(**SMALL, **MOTION)).eval()
    encoder.save_pretrained(tmp_path)
    again = MotionEncoder.from_pretrained(tmp_path, low_cpu_mem_usage=False).eval()
    assert torch.equal(again(latents()), encoder(latents()))
