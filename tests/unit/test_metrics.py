"""Known answers, parity and properties of the metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import semo.metrics
from semo.features import all_networks, network
from semo.metrics import Metric, MetricError, all_metrics, metric, metrics_for

PAIRED = ("psnr", "ssim", "l1")
SIZE = 16


def video(seed: int, frames: int = 3, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)


def constant(value: int, frames: int = 3, size: int = SIZE) -> np.ndarray:
    return np.full((frames, size, size, 3), value, np.uint8)


def measure(name: str, truth: np.ndarray, generated: np.ndarray, source: np.ndarray | None = None) -> float | None:
    return metric(name).clip(truth, generated, truth[0] if source is None else source)


def test_every_declared_metric_is_complete():
    for name, found in all_metrics().items():
        assert found.name == name
        assert found.variant and found.protocol and found.unit and found.label
        assert set(found.tasks) <= {"reconstruct", "cross", "talk"}
    assert {"psnr", "psnr_moving", "psnr_cross", "ssim", "l1"} <= set(all_metrics())
    titles = [found.title for found in all_metrics().values()]
    assert len(titles) == len(set(titles))


def test_network_metrics_name_their_network_and_need_it():
    for name in ("fid", "fvd", "lpips", "sync_c", "sync_d"):
        assert metric(name).tier == "reference" and metric(name).frames is None
        assert metric(name).network in all_networks()
        with pytest.raises(MetricError, match="needs the network"):
            measure(name, video(0), video(1))


def test_tiers_are_told_apart_by_name():
    """A stand-in fills a reserved column under a name of its own, and never shares a network with the original."""
    for m in all_metrics().values():
        if m.stands_for:
            original = metric(m.stands_for)
            assert original.tier == "reference" and m.tier != "reference"
            assert m.title != original.title and m.network != original.network
            assert not m.title.startswith(("FID", "FVD", "LPIPS", "Sync"))
        if m.network:
            assert network(m.network).tier == m.tier


def pixels(task: str) -> list[str]:
    return [m.name for m in metrics_for(task, "bundled") if m.tier == "pixels"]


def test_metrics_of_a_task():
    assert pixels("reconstruct") == ["l1", "psnr", "psnr_moving", "ssim"]
    assert pixels("cross") == ["l1", "psnr_cross", "psnr_moving", "ssim"]


def test_a_new_file_is_a_new_metric(tmp_path, monkeypatch):
    """One file makes a metric: found by the scan and computed like the others."""
    (tmp_path / "worst_pixel.py").write_text(
        "import numpy as np\n"
        "from semo.metrics.base import Metric\n\n\n"
        "def worst(truth, generated, source):\n"
        "    return np.abs(truth.astype(float) - generated).max(axis=(1, 2, 3))[:, None]\n\n\n"
        "METRIC = Metric(name='worst_pixel', label='Worst', better='lower', unit='1', level='frame',\n"
        "                variant='largest difference', protocol='worst', frames=worst)\n"
    )
    monkeypatch.setattr(semo.metrics, "__path__", [*semo.metrics.__path__, str(tmp_path)])
    all_metrics.cache_clear()
    try:
        assert "worst_pixel" in {m.name for m in metrics_for("talk", "bundled")}
        assert measure("worst_pixel", constant(10), constant(250)) == 240.0
    finally:
        all_metrics.cache_clear()


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(KeyError, match="psnr_moving"):
        metric("pnsr")


@pytest.mark.parametrize(("name", "expected"), [("psnr", 100.0), ("ssim", 1.0), ("l1", 0.0), ("psnr_cross", 100.0)])
def test_identical_videos(name, expected):
    assert measure(name, video(0), video(0)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("psnr", 0.0), ("ssim", 9.999e-05), ("l1", 1.0)])
def test_black_against_white(name, expected):
    """The published answers for all-zero against all-one clips (common_metrics demo: 8 x 30 x 64 x 64)."""
    assert measure(name, constant(0, 30, 64), constant(255, 30, 64)) == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_one_grey_level_off():
    truth, generated = constant(100), constant(101)
    assert measure("l1", truth, generated) == pytest.approx(1 / 255)
    assert measure("psnr", truth, generated) == pytest.approx(20 * math.log10(255))


def test_one_pixel_shift_of_a_step_edge():
    truth = constant(0, 1)
    truth[:, :, 8:] = 255
    shifted = np.roll(truth, 1, axis=2)
    shifted[:, :, 0] = 0
    assert measure("l1", truth, shifted) == pytest.approx(1 / 16)
    assert measure("psnr", truth, shifted) == pytest.approx(-10 * math.log10(1 / 16))
    assert measure("ssim", truth, shifted) < 0.9


def test_psnr_is_the_mean_of_decibels_not_the_decibels_of_the_mean():
    truth = constant(0, 2)
    generated = truth.copy()
    generated[1] = 255
    assert measure("psnr", truth, generated) == pytest.approx((100.0 + 0.0) / 2)


@pytest.mark.parametrize("size", [16, 33])
def test_parity_with_scikit_image(size):
    truth, generated = video(1, 2, size), video(2, 2, size)
    psnr = np.mean([peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(truth, generated)])
    assert measure("psnr", truth, generated) == pytest.approx(psnr, abs=1e-9)
    ssim = np.mean(
        [
            structural_similarity(
                a / 255.0,
                b / 255.0,
                channel_axis=2,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for a, b in zip(truth, generated)
        ]
    )
    assert measure("ssim", truth, generated) == pytest.approx(ssim, abs=1e-9)


def test_ssim_by_its_formula():
    """One 11 x 11 frame leaves one window: weighted moments written out, per channel."""
    truth, generated = video(3, 1, 11), video(4, 1, 11)
    g = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(g, g) / g.sum() ** 2
    values = []
    for channel in range(3):
        x, y = truth[0, ..., channel] / 255.0, generated[0, ..., channel] / 255.0
        mx, my = (weights * x).sum(), (weights * y).sum()
        vx, vy = (weights * x * x).sum() - mx**2, (weights * y * y).sum() - my**2
        cov = (weights * x * y).sum() - mx * my
        values.append((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    assert measure("ssim", truth, generated) == pytest.approx(np.mean(values), abs=1e-9)


def test_moving_pixels_only():
    source = constant(0, 1)[0]
    truth, generated = constant(0, 2), constant(0, 2)
    truth[:, :4, :4, 1] = 200
    generated[:, 8:, 8:] = 255
    moved = measure("psnr_moving", truth, generated, source)
    assert moved == pytest.approx(-10 * math.log10((200 / 255) ** 2 / 3)), "errors on still pixels must not count"


def test_moving_threshold_is_exclusive():
    source = constant(100, 1)[0]
    assert measure("psnr_moving", constant(125), constant(0), source) is None, "25/255 < 0.1 is not a movement"
    assert measure("psnr_moving", constant(126), constant(0), source) is not None


def test_moving_error_is_pooled_over_the_clip():
    source = constant(0, 1)[0]
    truth = constant(0, 2)
    truth[0] = 255
    truth[1, 0, 0] = 255
    generated = truth.copy()
    generated[1, 0, 0] = 0
    assert measure("psnr_moving", truth, generated, source) == pytest.approx(-10 * math.log10(1 / (SIZE * SIZE + 1)))


def test_a_still_clip_has_no_moving_value():
    assert measure("psnr_moving", constant(9), constant(9)) is None


@pytest.mark.parametrize(
    ("truth", "generated", "source", "message"),
    [
        (video(0, 3), video(0, 2), video(0)[0], "2 frames and the truth 3"),
        (video(0), video(0, size=12), video(0)[0], "sizes differ"),
        (video(0), video(0), video(0, size=12)[0], "sizes differ"),
        (video(0) / 255.0, video(0), video(0)[0], "not uint8"),
        (video(0)[0], video(0)[0], video(0)[0], "shape"),
        (video(0)[:0], video(0)[:0], video(0)[0], "no frames"),
    ],
)
def test_pairs_that_cannot_be_compared(truth, generated, source, message):
    with pytest.raises(MetricError, match=message):
        metric("psnr").clip(truth, generated, source)


def test_ssim_refuses_frames_smaller_than_its_window():
    with pytest.raises(MetricError, match="at least 11"):
        measure("ssim", video(0, 1, 10), video(1, 1, 10))


def test_a_metric_declares_itself_correctly():
    facts = dict(name="x", label="X", unit="1", level="frame", variant="v", protocol="p")
    with pytest.raises(ValueError, match="better"):
        Metric(better="up", frames=lambda *a: None, **facts)
    with pytest.raises(ValueError, match="computes it"):
        Metric(better="higher", **facts)


seeds = st.integers(0, 2**31 - 1)


@settings(max_examples=25, deadline=None)
@given(seeds, seeds)
def test_symmetric_and_bounded(a, b):
    truth, generated = video(a, 2, 11), video(b, 2, 11)
    for name in PAIRED:
        forward, backward = measure(name, truth, generated), measure(name, generated, truth)
        assert forward == pytest.approx(backward, rel=1e-9, abs=1e-12)
    assert 0.0 <= measure("psnr", truth, generated) <= 100.0
    assert -1.0 <= measure("ssim", truth, generated) <= 1.0 + 1e-12
    assert 0.0 <= measure("l1", truth, generated) <= 1.0


@settings(max_examples=25, deadline=None)
@given(seeds, st.permutations(range(5)), st.integers(1, 4))
def test_independent_of_frame_order_and_chunks(seed, order, cut):
    truth, generated, source = video(seed, 5, 11), video(seed + 1, 5, 11), video(seed + 2, 1, 11)[0]
    for name in (*PAIRED, "psnr_moving"):
        whole = metric(name).clip(truth, generated, source)
        assert metric(name).clip(truth[order], generated[order], source) == pytest.approx(whole, rel=1e-12)
        parts = [metric(name).frames(truth[part], generated[part], source) for part in (slice(0, cut), slice(cut, 5))]
        assert metric(name).pool(np.concatenate(parts)) == pytest.approx(whole, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 60))
def test_more_noise_is_never_better(seed, amplitude):
    truth = np.full((1, 16, 16, 3), 128, np.uint8)
    noise = np.random.default_rng(seed).choice([-1, 1], truth.shape)
    less = (128 + amplitude * noise).astype(np.uint8)
    more = (128 + (amplitude + 1) * noise).astype(np.uint8)
    assert measure("psnr", truth, less) > measure("psnr", truth, more)
    assert measure("l1", truth, less) < measure("l1", truth, more)
    assert measure("ssim", truth, less) > measure("ssim", truth, more)
