"""SSIM, PSNR, L1, KID and their named variants against the libraries whose definitions they take."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from semo.metrics import MetricError, all_metrics, kid, metric, metrics_for
from semo.metrics.kid import kernel_distance

SSIMS = ("ssim", "ssim_skimage", "ssim_torchmetrics")
VARIANTS = (
    *SSIMS[1:], "l1_x1000", "l1_255", "fid_clean", "fid_torch_fidelity", "fvd_ddof1", "kid", "lpips_vgg",
)


def noise(seed: int, height: int = 24, width: int = 32, frames: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def picture(height: int = 48, width: int = 40, frames: int = 2) -> np.ndarray:
    """Smooth shades with flat black, flat white and an edge: where SSIM's constants decide."""
    y, x = np.mgrid[:height, :width]
    shade = 127.5 + 127.5 * np.sin(x / 9 + np.arange(frames)[:, None, None]) * np.cos(y / 7)
    shade[:, :12], shade[:, -12:] = 0, 255
    return np.stack([shade, 255 - shade, shade / 2], axis=-1).round().astype(np.uint8)


def degraded(frames: np.ndarray) -> np.ndarray:
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in frames]).astype(np.float64)
    return (blurred + np.random.default_rng(0).normal(0, 4, frames.shape)).clip(0, 255).round().astype(np.uint8)


PAIRS = {
    "noise": (noise(1), noise(2)),
    "degraded": (picture(), degraded(picture())),
    "equal": (picture(), picture()),
    "one level off": (picture(), np.where(picture() < 255, picture() + 1, 255).astype(np.uint8)),
    "inverted": (picture(), 255 - picture()),
}
pairs = pytest.mark.parametrize(("truth", "generated"), PAIRS.values(), ids=PAIRS)


def values(name: str, truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    return metric(name).frames(truth, generated, truth[0])[:, 0]


def tensors(*sides: np.ndarray, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return [torch.tensor(side).permute(0, 3, 1, 2).to(dtype) / 255 for side in sides]


@pairs
def test_wang_ssim_is_that_of_scikit_image(truth, generated):
    """Both in float64; what is left is the order of summation."""
    options = dict(channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    expected = [structural_similarity(a, b, **options) for a, b in zip(truth, generated)]
    assert values("ssim", truth, generated) == pytest.approx(expected, abs=1e-9)


@pairs
def test_skimage_ssim_is_its_default(truth, generated):
    expected = [structural_similarity(a, b, channel_axis=-1) for a, b in zip(truth, generated)]
    assert values("ssim_skimage", truth, generated) == pytest.approx(expected, abs=1e-9)


@pairs
def test_torchmetrics_ssim_is_that_of_torchmetrics(truth, generated):
    """In float64 to round-off; its usual float32 differs by that type's cancellation in flat areas."""
    options = dict(data_range=1.0, reduction="none")
    ours = values("ssim_torchmetrics", truth, generated)
    exact = torchmetrics_ssim(*tensors(generated, truth), **options)
    usual = torchmetrics_ssim(*tensors(generated, truth, dtype=torch.float32), **options)
    assert ours == pytest.approx(exact.numpy(), abs=1e-9)
    assert ours == pytest.approx(usual.numpy(), abs=5e-5)


@pairs
def test_psnr_is_that_of_scikit_image_and_torchmetrics(truth, generated):
    ours = values("psnr", truth, generated)
    if (truth == generated).all():
        assert ours.tolist() == [100.0, 100.0]
        return
    expected = [peak_signal_noise_ratio(a, b) for a, b in zip(truth, generated)]
    assert ours == pytest.approx(expected, abs=1e-9)
    theirs = torchmetrics_psnr(
        *tensors(generated, truth), data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean"
    )
    assert ours.mean() == pytest.approx(float(theirs), abs=1e-5), "torchmetrics takes its logarithm in float32"


@pairs
def test_l1_variants_differ_by_their_unit(truth, generated):
    difference = np.abs(truth.astype(float) - generated).mean(axis=(1, 2, 3))
    assert values("l1_255", truth, generated) == pytest.approx(difference, rel=1e-12)
    assert values("l1", truth, generated) == pytest.approx(difference / 255, rel=1e-12)
    assert values("l1_x1000", truth, generated) == pytest.approx(difference / 255 * 1000, rel=1e-12)


def test_published_values_of_black_against_white():
    """common_metrics' all-zero against all-one clips: 9.999e-05 and 0.0."""
    black, white = np.zeros((30, 64, 64, 3), np.uint8), np.full((30, 64, 64, 3), 255, np.uint8)
    for name in SSIMS:
        assert values(name, black, white) == pytest.approx(9.999e-05, abs=1e-9)
    assert values("psnr", black, white) == pytest.approx(0.0, abs=1e-12)
    assert values("l1_255", black, white) == pytest.approx(255.0)


def test_variants_really_differ():
    truth = picture()
    found = [values(name, truth, degraded(truth)).mean() for name in SSIMS]
    assert min(abs(a - b) for i, a in enumerate(found) for b in found[:i]) > 1e-3


@pytest.mark.parametrize(("name", "side"), [("ssim", 11), ("ssim_skimage", 7), ("ssim_torchmetrics", 6)])
def test_ssim_needs_its_window(name, side):
    assert np.isfinite(values(name, noise(0, side, side), noise(1, side, side))).all()
    with pytest.raises(MetricError, match=f"at least {side}"):
        values(name, noise(0, side, side - 1), noise(1, side, side - 1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.permutations(range(4)))
def test_a_frame_does_not_depend_on_the_others(seed, order):
    """Bit by bit: the buffers SSIM uses again carry nothing over."""
    truth, generated = noise(seed, 12, 13, 4), noise(seed + 1, 12, 13, 4)
    for name in (*SSIMS, "psnr", "l1", "l1_x1000", "l1_255"):
        whole = values(name, truth, generated)
        alone = [values(name, truth[i : i + 1], generated[i : i + 1])[0] for i in order]
        assert alone == whole[list(order)].tolist()


def test_frames_may_be_views():
    truth, generated = noise(3, 40, 60)[:, ::2, ::3, ::-1], noise(4, 40, 60)[:, ::2, ::3, ::-1]
    for name in (*SSIMS, "psnr", "l1"):
        expected = values(name, np.ascontiguousarray(truth), np.ascontiguousarray(generated))
        assert values(name, truth, generated).tolist() == expected.tolist()


def test_variants_are_computed_only_when_asked_for():
    assert {m.name for m in all_metrics().values() if m.variant_of} >= {*VARIANTS} - {"kid"}
    by_default = {m.name for task in ("reconstruct", "cross", "talk") for m in metrics_for(task, "reference")}
    assert by_default.isdisjoint(VARIANTS)
    assert {"fid", "fvd", "lpips", "ssim", "psnr", "l1"} <= by_default


def test_no_two_metrics_share_a_label_or_a_variant():
    declared = [m for m in all_metrics().values() if m.name in (*VARIANTS, "fid", "fvd", "lpips", "ssim", "psnr", "l1")]
    for key in ("label", "variant", "protocol"):
        assert len({getattr(m, key) for m in declared}) == len(declared)


def features(seed: int, n: int, shift: float = 0.0, d: int = 64) -> np.ndarray:
    """Non-negative, as pooled activations are; float32 (n, d)."""
    return (np.abs(np.random.default_rng(seed).normal(size=(n, d))) + shift).astype(np.float32)


def theirs(real: np.ndarray, fake: np.ndarray, **options: int) -> float:
    found = kid_features_to_metric(torch.tensor(real), torch.tensor(fake), verbose=False, rng_seed=2020, **options)
    return found[KEY_METRIC_KID_MEAN]


def test_kid_of_all_frames_is_that_of_torch_fidelity():
    """One subset of all rows; they add up in float32, whose error is a part in 10^6 of the kernel's mean of about 4."""
    real, fake = features(0, 60), features(1, 60, 0.1)
    expected = theirs(real, fake, kid_subsets=1, kid_subset_size=60)
    assert kernel_distance(real, fake) == pytest.approx(expected, abs=2e-5)
    exact = theirs(real.astype(float), fake.astype(float), kid_subsets=1, kid_subset_size=60)
    assert kernel_distance(real, fake) == pytest.approx(exact, rel=1e-9)


def test_kid_of_many_frames_is_that_of_torch_fidelity(monkeypatch):
    """More frames than a subset holds: the same seeded subsets, here smaller ones to be quick."""
    assert (kid.SUBSET, kid.SUBSETS, kid.SEED, kid.OFFSET) == tuple(
        DEFAULTS[key] for key in ("kid_subset_size", "kid_subsets", "rng_seed", "kid_kernel_poly_coef0")
    )
    assert (DEFAULTS["kid_kernel"], DEFAULTS["kid_kernel_poly_degree"]) == ("poly", 3)
    monkeypatch.setattr(kid, "SUBSET", 50)
    monkeypatch.setattr(kid, "SUBSETS", 7)
    real, fake = features(2, 70).astype(float), features(3, 60, 0.05).astype(float)
    expected = theirs(real, fake, kid_subsets=7, kid_subset_size=50)
    assert kernel_distance(real, fake) == pytest.approx(expected, rel=1e-9)


def test_kid_by_its_formula():
    real, fake = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])
    within_real = (1.0 + 1.5**3 + 2.0**3) / 3
    within_fake = 1.0
    between = (1 + 2.0**3 + 1 + 1 + 1 + 2.0**3) / 6
    assert kernel_distance(real, fake) == pytest.approx(within_real + within_fake - 2 * between, rel=1e-12)


def test_kid_is_unbiased():
    """Means over many small draws of one distribution scatter around 0, which no biased estimate does."""
    draws = [kernel_distance(features(2 * i, 8, d=4), features(2 * i + 1, 8, d=4)) for i in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / math.sqrt(len(draws))
    assert min(draws) < 0 < max(draws)


def test_kid_needs_two_frames():
    assert kernel_distance(features(0, 1), features(1, 5)) is None


def test_kid_takes_the_frames_of_all_clips():
    clips = [{"frames": features(seed, 5)} for seed in range(4)]
    value = metric("kid").of_set(clips[:2], clips[2:])
    expected = kernel_distance(*(np.concatenate([c["frames"] for c in side]) for side in (clips[:2], clips[2:])))
    assert value == expected


def test_kid_of_resampled_clips_is_measured_as_if_one_by_one(monkeypatch):
    real, fake = ([{"frames": features(seed + i, n, shift)} for i, n in enumerate((5, 3, 6, 1))]
                  for seed, shift in ((0, 0.0), (10, 0.1)))
    chosen = [np.array(clips) for clips in ([0, 1, 2, 3], [2, 2, 0, 0], [1, 1, 1, 1], [3, 0, 1, 0])]
    of_set = metric("kid").of_set
    expected = [of_set([real[i] for i in clips], [fake[i] for i in clips]) for clips in chosen]
    assert of_set.resampled(real, fake, chosen) == pytest.approx(expected, rel=1e-9)
    assert of_set.resampled(real[3:], fake[3:], [np.array([0])]) == [None]
    monkeypatch.setattr(kid, "MOST", 8)  # every second frame of the 15
    thinned = [[{"frames": clip["frames"][::2]} for clip in side] for side in (real, fake)]
    assert of_set.resampled(real, fake, chosen[:1]) == pytest.approx([of_set(*thinned)], rel=1e-9)
