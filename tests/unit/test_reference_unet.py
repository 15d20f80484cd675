"""The reference-U-Net family: banks, guidance, windows, masks, training; keys at official size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines.blocks.reference_unet import (
    Audio,
    Banks,
    DenoisingUNet,
    ReferenceUNet,
    ddim,
    guided,
    published,
)
from baselines.blocks.reference_unet.motion import TemporalTransformer
from tests.parity.check import FIXTURES, differing_keys, read, read_keys
from tests.unit.reference_unet_samples import EXACT, METHODS, PLACES, SIDE, TINY, networks, normal, randomised

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unets() -> tuple[ReferenceUNet, DenoisingUNet]:
    return randomised(ReferenceUNet(TINY.reference()), 1), randomised(DenoisingUNet(TINY), 2)


@pytest.fixture(scope="module")
def banks(unets: tuple[ReferenceUNet, DenoisingUNet]) -> Banks:
    """Of three portraits."""
    with torch.no_grad():
        return unets[0](normal(3, 3, 3, SIDE, SIDE), normal(4, 3, 2, 5))


def row(banks: Banks, index: int) -> Banks:
    return Banks(tuple(entry[index : index + 1] for entry in banks.stored()))


@pytest.mark.parametrize("method", METHODS)
def test_official_size_has_the_published_keys_and_shapes(method: str) -> None:
    config = import_module(f"baselines.{method}.config")
    keys = read_keys(FIXTURES / f"{method}.full.keys.txt")
    with torch.device("meta"):
        built = config.build(config.SIZES["official"])
    assert differing_keys({name: built[name] for name in keys}, keys) == []


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_every_parameter(method: str) -> None:
    """But those after the last bank of the reference U-Net. Two image tokens: a single one leaves queries no choice."""
    made = networks(method)
    banks, given = CALLS[method](made)
    made["denoising_unet"](normal(0, 1, 3, 3, SIDE, SIDE), 300, banks, **given).square().mean().backward()
    for name, network in made.items():
        assert silent(network) == (network.unused_parameters() if name == "reference_unet" else set()), name


@pytest.mark.parametrize("attention", [(True, False), (False, True), (True, True)])
def test_unused_parameters_are_those_after_the_last_bank(attention: tuple[bool, bool]) -> None:
    reference = randomised(ReferenceUNet(replace(TINY, attention=attention).reference()))
    banks = reference(normal(0, 1, 3, SIDE, SIDE), normal(1, 1, 2, 5))
    sum(entry.square().sum() for entry in banks.stored()).backward()
    assert silent(reference) == reference.unused_parameters() != set()


def silent(network: nn.Module) -> set[str]:
    """Names of the parameters that got no gradient."""
    return {key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()}


def call_of_hallo2(made: dict[str, nn.Module]) -> tuple[Banks, dict[str, Any]]:
    tokens = made["imageproj"](normal(1, 1, 6))
    with_two_motion_frames = made["reference_unet"](normal(2, 1, 3, 3, SIDE, SIDE), tokens)
    audio = Audio(made["audioproj"](normal(3, 1, 3, 5, 1, 4)), masks_of(4))
    condition = made["face_locator"](normal(5, 1, 3, 3, 2 * SIDE, 2 * SIDE))
    return with_two_motion_frames, {"tokens": tokens, "audio": audio, "condition": condition}


def call_of_aniportrait(made: dict[str, nn.Module]) -> tuple[Banks, dict[str, Any]]:
    tokens = normal(1, 1, 2, 5)
    features = made["pose_guider"](normal(5, 1, 3, 3, 2 * SIDE, 2 * SIDE))
    return made["reference_unet"](normal(2, 1, 3, SIDE, SIDE), tokens), {"tokens": tokens, "condition": features}


def call_of_echomimic(made: dict[str, nn.Module]) -> tuple[Banks, dict[str, Any]]:
    condition = made["face_locator"](normal(5, 1, 1, 3, 2 * SIDE, 2 * SIDE))
    sound = {"tokens": normal(1, 1, 3, 4, 5), "token_scale": 3.0}
    return made["reference_unet"](normal(2, 1, 3, SIDE, SIDE)), sound | {"condition": condition}


CALLS: dict[str, Callable[[dict[str, nn.Module]], tuple[Banks, dict[str, Any]]]] = {
    "hallo2": call_of_hallo2,
    "aniportrait": call_of_aniportrait,
    "echomimic": call_of_echomimic,
}


@settings(max_examples=12, deadline=None)
@given(alone=st.lists(st.booleans(), min_size=3, max_size=3), frames=st.integers(1, 3), steps=st.integers(0, 999))
def test_rows_of_a_batch_are_as_if_alone(
    unets: tuple[ReferenceUNet, DenoisingUNet], banks: Banks, alone: list[bool], frames: int, steps: int
) -> None:
    """Windows, portraits, tokens, timesteps and unconditional rows in any mixture; a row that reads nothing is as if
    there were no banks."""
    latent, tokens = normal(5, 3, 3, frames, SIDE, SIDE), normal(6, 3, frames, 4, 5)
    condition, times = normal(7, 3, 8, frames, SIDE, SIDE), torch.tensor([steps, 0, 999])
    with torch.no_grad():
        together = unets[1](
            latent, times, banks, tokens=tokens, condition=condition, unconditional=torch.tensor(alone)
        )  # fmt: skip
        for index, reads_nothing in enumerate(alone):
            part = slice(index, index + 1)
            made = unets[1](
                latent[part], int(times[index]), None if reads_nothing else row(banks, index),
                tokens=tokens[part], condition=condition[part],
            )  # fmt: skip
            torch.testing.assert_close(made, together[part], **EXACT)


def test_banks_are_reused_and_not_changed(unets: tuple[ReferenceUNet, DenoisingUNet]) -> None:
    reference, denoising = unets
    portrait, tokens, latent = normal(8, 1, 3, SIDE, SIDE), normal(9, 1, 2, 5), normal(10, 1, 3, 2, SIDE, SIDE)
    with torch.no_grad():
        kept = reference(portrait, tokens)
        first = denoising(latent, 700, kept, tokens=tokens)
        denoising(first, 600, kept, tokens=tokens)
        again = denoising(latent, 700, kept, tokens=tokens)
        anew = denoising(latent, 700, reference(portrait, tokens), tokens=tokens)
    assert torch.equal(first, again) and torch.equal(first, anew)
    with torch.no_grad():
        other = denoising(latent, 700, reference(portrait + 0.5, tokens), tokens=tokens)
    assert not torch.allclose(first, other, atol=1e-3)


def test_one_bank_serves_all_rows_and_pictures_are_stored_apart(
    unets: tuple[ReferenceUNet, DenoisingUNet], banks: Banks
) -> None:
    reference, denoising = unets
    latent, tokens = normal(11, 1, 3, 2, SIDE, SIDE).expand(2, -1, -1, -1, -1), normal(12, 1, 2, 5)
    with torch.no_grad():
        made = denoising(latent, 5, row(banks, 0), tokens=tokens)
        stacked = reference(normal(3, 1, 3, 3, SIDE, SIDE), normal(4, 3, 2, 5)[:1])  # three pictures of one row
        single = reference(normal(3, 3, 3, SIDE, SIDE), normal(4, 3, 2, 5)[:1])  # three rows
    torch.testing.assert_close(made[0], made[1], **EXACT)
    for together, apart in zip(stacked.stored(), single.stored(), strict=True):
        torch.testing.assert_close(together[0], apart[:, 0], **EXACT)


def test_midup_stores_all_but_the_way_down(unets: tuple[ReferenceUNet, DenoisingUNet]) -> None:
    reference, denoising = unets
    portrait, tokens, latent = normal(8, 1, 3, SIDE, SIDE), normal(9, 1, 2, 5), normal(10, 1, 3, 2, SIDE, SIDE)
    with torch.no_grad():
        full, part = (reference(portrait, tokens, fusion=fusion) for fusion in ("full", "midup"))
        assert [entry is None for entry in part.entries] == [True, False, False, False]
        assert all(torch.equal(a, b) for a, b in zip(full.entries[1:], part.entries[1:]))
        made = denoising(latent, 5, part, tokens=tokens)
        assert not torch.allclose(made, denoising(latent, 5, full, tokens=tokens), atol=1e-3)
    with pytest.raises(ValueError, match="sideways"):
        reference(portrait, tokens, fusion="sideways")


def test_a_window_may_fill_the_positional_table_and_no_more(
    unets: tuple[ReferenceUNet, DenoisingUNet], banks: Banks
) -> None:
    reference, denoising = unets
    tokens = normal(12, 1, 2, 5)
    with torch.no_grad():
        assert denoising(normal(0, 1, 3, PLACES, SIDE, SIDE), 5, row(banks, 0), tokens=tokens).shape[2] == PLACES
        with pytest.raises(ValueError, match=r"window of 7 frames \(0 of them motion frames\).*6 places"):
            denoising(normal(0, 1, 3, PLACES + 1, SIDE, SIDE), 5, row(banks, 0), tokens=tokens)
        with_past = reference(normal(1, 1, 3, 3, SIDE, SIDE), tokens)
        denoising(normal(0, 1, 3, PLACES - 2, SIDE, SIDE), 5, with_past, tokens=tokens)
        with pytest.raises(ValueError, match=r"window of 7 frames \(2 of them motion frames\)"):
            denoising(normal(0, 1, 3, PLACES - 1, SIDE, SIDE), 5, with_past, tokens=tokens)


def test_motion_frames_come_first_in_the_window() -> None:
    module = randomised(TemporalTransformer(8, 4, TINY.motion))
    past, window = normal(0, 2, 8, 3, 3), normal(1, 3, 8, 3, 3)
    with torch.no_grad():
        joined = module(torch.cat((past, window)), rows=1, before=None)
        made = module(window, rows=1, before=past.flatten(2).transpose(1, 2)[None])
    torch.testing.assert_close(made, joined[2:], **EXACT)


def test_an_untrained_motion_module_changes_nothing() -> None:
    fresh = TemporalTransformer(8, 4, TINY.motion)
    window = normal(1, 3, 8, 3, 3)
    assert torch.equal(fresh(window, rows=1, before=None), window)


@pytest.fixture(scope="module")
def hearing() -> DenoisingUNet:
    return randomised(DenoisingUNet(replace(TINY, audio_dim=7)))


def masks_of(*seeds: int) -> list[Tensor]:
    """One row per seed, two levels."""
    return [torch.stack([normal(seed + level, 3, SIDE**2 >> 2 * level) for seed in seeds]) for level in (0, 1)]


def test_masks_say_where_sound_is_heard(hearing: DenoisingUNet) -> None:
    latent, tokens, sound = normal(0, 2, 3, 2, SIDE, SIDE), normal(1, 1, 2, 5), normal(2, 2, 2, 4, 7)
    masks = masks_of(10, 20)
    with torch.no_grad():

        def heard(sound: Tensor, masks: list[Tensor], scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Tensor:
            return hearing(latent, 5, tokens=tokens, audio=Audio(sound, masks, scale))

        made = heard(sound, masks)
        for index in range(2):  # masks of each row, or the same for all
            alone = heard(sound, [mask[index] for mask in masks])
            torch.testing.assert_close(made[index], alone[index], **EXACT)
        nowhere = [torch.zeros_like(mask) for mask in masks]
        torch.testing.assert_close(heard(sound, nowhere), heard(2 * sound, nowhere), **EXACT)
        assert not torch.allclose(made, heard(2 * sound, masks), atol=1e-3)
        lips_only = [mask * torch.tensor([0.0, 0.0, 1.0])[:, None] for mask in masks]
        assert not torch.allclose(heard(sound, lips_only), heard(sound, nowhere), atol=1e-3)
        still = heard(sound, masks, (1.0, 1.0, 0.0))
        other_lips = [mask * torch.tensor([1.0, 1.0, 9.0])[:, None] for mask in masks]
        assert torch.equal(still, heard(sound, other_lips, (1.0, 1.0, 0.0)))


def test_what_does_not_fit_is_refused(
    unets: tuple[ReferenceUNet, DenoisingUNet], hearing: DenoisingUNet, banks: Banks
) -> None:
    latent, tokens = normal(0, 2, 3, 2, SIDE, SIDE), normal(1, 2, 2, 5)
    with pytest.raises(ValueError, match="give it tokens"):
        unets[1](latent, 5)
    with pytest.raises(ValueError, match="3 rows do not fit a batch of 2"):
        unets[1](latent, 5, banks, tokens=tokens)
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\) do not fit 2 rows of 2 frames"):
        unets[1](latent, 5, tokens=normal(1, 2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"condition of shape \(3, 8, 2, 4, 4\) does not fit 2 rows of 2 frames"):
        unets[1](latent, 5, tokens=tokens, condition=normal(1, 3, 8, 2, SIDE, SIDE))
    with pytest.raises(ValueError, match="give it audio"):
        hearing(latent, 5, tokens=tokens)
    with pytest.raises(ValueError, match=r"masks of level 0 .*\(3, 16\)"):
        hearing(latent, 5, tokens=tokens, audio=Audio(normal(2, 2, 2, 4, 7), [torch.ones(3, 4)] * 2))


WRONG_SIZES = {
    "attention is given for 1": {"attention": (True,)},
    "no multiple of 3 heads": {"heads": 3},
    "a level with attention": {"attention": (False, False)},
}


@pytest.mark.parametrize("said", WRONG_SIZES)
def test_impossible_sizes_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(TINY, **WRONG_SIZES[said])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("act_fn", "gelu"),
        ("motion_module_decoder_only", True),
        ("stack_enable_blocks_depth", [0, 1]),
        ("up_block_types", ["CrossAttnUpBlock3D"] * 4),
    ],
)
def test_configurations_of_no_published_network_are_refused(name: str, value: object) -> None:
    sizes = read(FIXTURES / "hallo2.json").meta["modules"]["denoising_unet"]["config"]
    assert published(sizes).audio_dim == 64
    with pytest.raises(ValueError, match="same on the way" if name == "up_block_types" else "|".join((name, "audio"))):
        published(sizes | {name: value})


@pytest.mark.parametrize("steps", (1, 6, 25, 40))
def test_sampler_is_the_formula(steps: int) -> None:
    """DDIM of a v-prediction with zero terminal signal-to-noise ratio and trailing steps, in float64."""
    scheduler = ddim(steps)
    root = np.sqrt(np.cumprod(1 - np.linspace(0.00085, 0.012, 1000)))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alphas = root**2
    np.testing.assert_allclose(scheduler.alphas_cumprod, alphas, atol=2e-6)
    np.testing.assert_array_equal(scheduler.timesteps, np.round(np.arange(1000, 0, -1000 / steps)) - 1)
    sample, v = normal(0, 1, 3, 2, 4, 4), normal(1, 1, 3, 2, 4, 4)
    for t in scheduler.timesteps:
        before = int(t) - 1000 // steps
        here, there = alphas[int(t)], alphas[before] if before >= 0 else 1.0
        clean = np.sqrt(here) * sample.double() - np.sqrt(1 - here) * v.double()
        noise = np.sqrt(here) * v.double() + np.sqrt(1 - here) * sample.double()
        made = scheduler.step(v, t, sample).prev_sample
        torch.testing.assert_close(
            made.double(), np.sqrt(there) * clean + np.sqrt(1 - there) * noise, rtol=1e-5, atol=1e-5
        )  # fmt: skip


def test_guided_goes_from_the_unconditional_half() -> None:
    v = torch.tensor([[1.0], [2.0], [4.0], [6.0]])
    assert torch.equal(guided(v, 2.0), torch.tensor([[7.0], [10.0]]))
