"""Arithmetic of the metrics of the bundled tier, without a network."""

from __future__ import annotations

import numpy as np
import pytest

from semo.metrics import all_metrics, in_tier
from semo.metrics.avc_corpus import confidence, distances_by_shift, why_no_distances
from semo.metrics.avd_corpus import least_distance, offset, offset_error
from semo.metrics.base import ClipFeatures
from semo.metrics.gaze_error import gaze_error
from semo.metrics.mouth_error import mouth_error
from semo.metrics.pose_error import pose_error


def unit_rows(count: int, seed: int = 0, width: int = 64) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("late", [-9, -1, 0, 2, 15])
def test_sound_that_is_late_has_a_negative_offset(late):
    """Lips equal to the sound `late` frames later: distance 0 there, about sqrt 2 for random vectors elsewhere."""
    lips = unit_rows(60)
    speech = np.roll(lips, late, axis=0)
    found = distances_by_shift({"lips": lips, "speech": speech})
    assert found.shape == (31,)
    assert offset({"lips": lips, "speech": speech}) == -late
    assert least_distance({"lips": lips, "speech": speech}) == pytest.approx(0, abs=2e-3)
    assert confidence({"lips": lips, "speech": speech}) == pytest.approx(np.sqrt(2), abs=0.05)
    assert offset_error(ClipFeatures({}, {"lips": lips, "speech": speech})) == abs(late)


def test_each_shift_is_the_mean_over_the_windows_that_have_a_partner():
    lips, speech = unit_rows(30, 1), unit_rows(30, 2)
    found = distances_by_shift({"lips": lips, "speech": speech})
    for shift in (-15, -4, 0, 11):
        pairs = [(t, t + shift) for t in range(30) if 0 <= t + shift < 30]
        expected = np.mean([np.linalg.norm(lips[a].astype(float) - speech[b]) for a, b in pairs])
        assert found[15 + shift] == pytest.approx(expected, abs=1e-6)


def test_short_or_silent_clips_have_no_value():
    short = {"lips": unit_rows(22), "speech": unit_rows(22)}
    for function in (distances_by_shift, confidence, least_distance, offset):
        assert function(short) is None
    assert offset_error(ClipFeatures({}, short)) is None
    silent = {"lips": unit_rows(40), "speech": unit_rows(0)}
    assert confidence(silent) is None
    assert "no sound" in why_no_distances(ClipFeatures({}, silent))
    assert "22 windows" in why_no_distances(ClipFeatures({}, short))
    assert confidence({"lips": unit_rows(23), "speech": unit_rows(23)}) is not None


def annotated(frames: int = 8) -> dict[str, np.ndarray]:
    """Ground truth of 8 frames with the eyes closed in the last two."""
    return {"pose_deg": np.zeros((frames, 3), np.float16), "gaze_deg": np.ones((frames, 2), np.float16),
            "blink": np.array([0] * (frames - 2) + [1, 1], np.float16),
            "units": np.tile(np.array([0.5, 0.25], np.float16), (frames, 1)),
            "unit_names": np.array(["brow", "mouth-open"])}


def exact(frames: int) -> dict[str, np.ndarray]:
    """What a faultless network reads from the true frames."""
    return {"pose": np.zeros((frames, 3), np.float32), "gaze": np.ones((frames, 2), np.float32),
            "mouth": np.full(frames, 0.25, np.float32), "blink": np.zeros(frames, np.float32)}


def found(frames: int) -> dict[str, np.ndarray]:
    return {"pose": np.tile(np.float32([3, -6, 0]), (frames, 1)), "gaze": np.tile(np.float32([2, 4]), (frames, 1)),
            "mouth": np.full(frames, 0.5, np.float32), "blink": np.zeros(frames, np.float32)}


@pytest.mark.parametrize("frames", [1, 5, 8])
def test_errors_are_means_over_the_generated_frames(frames):
    pair = ClipFeatures(exact(frames), found(frames), annotated())
    assert pose_error(pair) == pytest.approx(3)
    assert mouth_error(pair) == pytest.approx(0.25)
    assert gaze_error(pair) == pytest.approx(2)


def test_what_the_network_always_misreads_is_taken_off():
    """Readings of both videos too high by a constant: the same errors. What varies on the true frames stays."""
    shifted = [{name: values + 7 for name, values in clip.items()} for clip in (exact(8), found(8))]
    pair = ClipFeatures(*shifted, annotated())
    assert pose_error(pair) == pytest.approx(3)
    assert mouth_error(pair) == pytest.approx(0.25)
    assert gaze_error(pair) == pytest.approx(2)
    wavering = exact(8)
    wavering["mouth"] = wavering["mouth"] + np.tile(np.float32([0.1, -0.1]), 4)
    assert mouth_error(ClipFeatures(wavering, wavering, annotated())) == pytest.approx(0.1)


def test_gaze_of_closed_eyes_does_not_count():
    measured = found(8)
    measured["gaze"][6:] = 1000
    assert gaze_error(ClipFeatures(exact(8), measured, annotated())) == pytest.approx(2)
    assert gaze_error(ClipFeatures(exact(8), found(8), annotated() | {"blink": np.ones(8)})) is None


@pytest.mark.parametrize("error", [pose_error, mouth_error, gaze_error])
def test_without_ground_truth_there_is_no_error(error):
    assert error(ClipFeatures({}, found(4))) is None


def test_they_fill_the_columns_of_the_reference_metrics_under_their_own_names():
    labels = {name: in_tier(name, "bundled").label for name in ("fid", "fvd", "lpips", "sync_c", "sync_d")}
    assert labels == {"fid": "FD-corpus", "fvd": "FD-corpus-clip", "lpips": "PD-corpus", "sync_c": "AVC-corpus",
                      "sync_d": "AVD-corpus"}
    bundled = [metric for metric in all_metrics().values() if metric.tier == "bundled"]
    assert not [metric.label for metric in bundled if metric.label in ("FID", "FVD", "LPIPS", "Sync-C", "Sync-D")]
