"""Face metrics as pure functions of features: known answers on synthetic landmarks, angles and embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semo.features import all_networks
from semo.metrics import all_metrics, in_tier, metric
from semo.metrics.base import ClipFeatures
from semo.metrics.blink import blink_rate, blink_rate_error
from semo.metrics.lmd import LIPS

FACE_METRICS = (
    "csim_mobilefacenet", "akd_facemesh", "missing_yunet", "lmd_facemesh", "head_pose_3ddfa", "expression_3ddfa",
    "blink_facemesh", "smoothness_facemesh", "motion_range_facemesh",
)  # fmt: skip
BEST = {"csim_mobilefacenet": 1.0}


def features(frames: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """A clip of one smoothly moving face in frames of 256 pixels."""
    rng = np.random.default_rng(seed)
    identity = rng.normal(size=(frames, 128))
    time = np.arange(frames)[:, None, None]
    mesh = rng.uniform(60, 200, (1, 468, 2)) + 5 * np.sin(time / 4 + rng.uniform(0, 6, (1, 468, 2)))
    return {
        "boxes": rng.uniform(0, 100, (frames, 4)),
        "identity": identity / np.linalg.norm(identity, axis=1, keepdims=True),
        "mesh": mesh,
        "openness": rng.uniform(0.4, 0.6, frames),
        "pose": rng.uniform(-30, 30, (frames, 3)),
        "expression": rng.normal(size=(frames, 10)),
        "size": np.array([256.0, 256.0]),
    }


def changed(clip: dict[str, np.ndarray], **values: np.ndarray) -> dict[str, np.ndarray]:
    return {**clip, **values}


def without_faces(clip: dict[str, np.ndarray], frames) -> dict[str, np.ndarray]:
    found = {name: values.copy() for name, values in clip.items()}
    for name in found:
        if name != "size":
            found[name][frames] = np.nan
    return found


def value(name: str, real, fake) -> float | None:
    return metric(name).of_clip(ClipFeatures(real, fake))


def test_names_say_the_network_and_leave_the_tables_alone():
    for name in FACE_METRICS:
        found = metric(name)
        assert found.tier == "compact" == all_networks()[found.network].tier
        assert found.tasks == () and not found.stands_for
        assert any(found.label.lower().endswith(net) for net in ("mobilefacenet", "facemesh", "3ddfa", "yunet"))


@pytest.mark.parametrize(("stands_for", "name"), [("fid", "fd_squeeze"), ("fvd", "fd_lrasd"), ("sync_c", "av_lrasd")])
def test_stand_ins_fill_the_column_of_what_they_stand_for(stands_for, name):
    found = in_tier(stands_for, "compact")
    assert found is metric(name) and set(found.tasks) == set(metric(stands_for).tasks)
    assert found.label.lower() not in {m.label.lower() for m in all_metrics().values() if m.tier == "reference"}


@pytest.mark.parametrize("name", FACE_METRICS)
def test_identical_clips_are_perfect(name):
    clip = features()
    assert value(name, clip, clip) == pytest.approx(BEST.get(name, 0.0), abs=1e-12)


@pytest.mark.parametrize("name", FACE_METRICS)
def test_clips_without_a_face_have_no_value(name):
    clip, nobody = features(), without_faces(features(), slice(None))
    assert value(name, nobody, clip) is None
    assert metric(name).why_none(ClipFeatures(nobody, clip)) == "the true video shows no face"
    assert metric(name).why_none(ClipFeatures(clip, nobody)) == "the generated video shows no face"
    assert value(name, clip, nobody) == (1.0 if name == "missing_yunet" else None)


@pytest.mark.parametrize("name", ["csim_mobilefacenet", "akd_facemesh", "lmd_facemesh", "head_pose_3ddfa",
                                  "expression_3ddfa"])  # fmt: skip
def test_only_frames_with_a_face_in_both_count(name):
    real, fake = features(seed=1), features(seed=2)
    blind = value(name, without_faces(real, [0, 1]), without_faces(fake, [1, 7]))
    kept = [i for i in range(40) if i not in (0, 1, 7)]
    short = [{k: v if k == "size" else v[kept] for k, v in clip.items()} for clip in (real, fake)]
    assert blind == pytest.approx(value(name, *short))


def test_faces_seen_only_by_turns_are_explained():
    clip = features()
    real, fake = without_faces(clip, slice(0, 20)), without_faces(clip, slice(20, 40))
    assert value("akd_facemesh", real, fake) is None
    assert metric("akd_facemesh").why_none(ClipFeatures(real, fake)) == "no frame shows a face in both videos"
    flicker = without_faces(clip, slice(0, 40, 2))
    assert value("smoothness_facemesh", clip, flicker) is None
    assert "no three frames in a row" in metric("smoothness_facemesh").why_none(ClipFeatures(clip, flicker))


def test_missing_faces_are_counted_where_the_truth_has_one():
    clip = features()
    assert value("missing_yunet", without_faces(clip, [0, 1]), without_faces(clip, [1, 2, 3])) == 2 / 38


@given(st.floats(-50, 50), st.floats(-50, 50), st.sampled_from([64, 256, 512]))
def test_a_shift_by_c_pixels_is_a_keypoint_distance_of_its_mean_and_no_mouth_distance(x, y, size):
    scale = size / 256
    clip = features()
    real = changed(clip, mesh=clip["mesh"] * scale, size=np.array([size, size]))
    fake = changed(real, mesh=(clip["mesh"] + [x, y]) * scale)
    assert value("akd_facemesh", real, fake) == pytest.approx((abs(x) + abs(y)) / 2, abs=1e-9)
    assert value("lmd_facemesh", real, fake) == pytest.approx(0, abs=1e-9)
    assert value("motion_range_facemesh", real, fake) == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 20))
def test_a_mouth_open_wider_by_c_is_that_far(opening):
    clip = features()
    mesh = clip["mesh"].copy()
    mesh[:, LIPS[:20], 1] += opening / 2
    mesh[:, LIPS[20:], 1] -= opening / 2
    assert value("lmd_facemesh", clip, changed(clip, mesh=mesh)) == pytest.approx(opening / 2)


@given(st.tuples(*[st.floats(-40, 40)] * 3))
def test_a_turn_is_the_mean_of_its_angles(turn):
    clip = features()
    error = value("head_pose_3ddfa", clip, changed(clip, pose=clip["pose"] + turn))
    assert error == pytest.approx(np.abs(turn).mean(), abs=1e-9)


def test_a_roll_across_180_degrees_is_small():
    clip = features()
    real, fake = (changed(clip, pose=np.full((40, 3), [0.0, 0.0, roll])) for roll in (179.0, -179.0))
    assert value("head_pose_3ddfa", real, fake) == pytest.approx(2 / 3)


def test_expressions_are_compared_by_euclidean_distance():
    clip = features()
    moved = clip["expression"] + np.array([3.0, 4.0] + [0.0] * 8)
    assert value("expression_3ddfa", clip, changed(clip, expression=moved)) == pytest.approx(5)


def test_cosines_of_known_embeddings():
    clip = features()
    axes = np.eye(128)[:40]
    real = changed(clip, identity=axes)
    assert value("csim_mobilefacenet", real, changed(clip, identity=-axes)) == -1
    assert value("csim_mobilefacenet", real, changed(clip, identity=axes[::-1])) == 0


@given(st.floats(1.1, 10))
def test_a_face_that_moves_k_times_as_far_is_log_k(k):
    clip = features()
    middle = clip["mesh"].mean(0)
    fake = changed(clip, mesh=middle + k * (clip["mesh"] - middle))
    # the floors, 0.1 px beside about 5 and 0.05 px^2 beside about 0.05 to 5, pull both towards 0
    assert value("motion_range_facemesh", clip, fake) == pytest.approx(np.log(k), rel=0.05)
    assert 0 < value("smoothness_facemesh", clip, fake) < 2 * np.log(k)


def test_jitter_is_less_smooth_and_frozen_frames_are_too_smooth():
    clip = features()
    jitter = [clip["mesh"] + sd * np.random.default_rng(0).normal(size=clip["mesh"].shape) for sd in (0.5, 2.0)]
    frozen = np.repeat(clip["mesh"][:1], 40, axis=0)
    small, large = (value("smoothness_facemesh", clip, changed(clip, mesh=mesh)) for mesh in jitter)
    assert 0 < small < large
    for name in ("smoothness_facemesh", "motion_range_facemesh"):
        assert (
            np.isfinite(value(name, clip, changed(clip, mesh=frozen)))
            and value(name, clip, changed(clip, mesh=frozen)) > 0.5
        )


def blinking(dips: dict[int, int], frames: int = 500, depth: float = 0.2) -> dict[str, np.ndarray]:
    """Openness about 0.6, `depth` of it for `length` frames from each start."""
    openness = 0.6 + 0.03 * np.sin(np.arange(frames))
    for start, length in dips.items():
        openness[start : start + length] *= depth
    return {"openness": openness}


def test_blinks_are_counted_by_the_minute():
    clip = blinking({10: 4, 100: 1, 300: 15, 496: 4})  # 500 frames are a third of a minute
    assert blink_rate(clip) == pytest.approx(12)
    assert blink_rate(blinking({0: 5})) == pytest.approx(3)  # begins with one
    assert blink_rate_error(ClipFeatures(clip, blinking({50: 3}))) == pytest.approx(9)


def test_closed_eyes_and_half_closed_ones_are_no_blinks():
    assert blink_rate(blinking({100: 16})) == 0
    assert blink_rate(blinking({100: 5}, depth=0.6)) == 0


def test_minutes_without_a_face_do_not_count():
    clip = blinking({10: 4, 100: 4})
    clip["openness"][250:] = np.nan
    assert blink_rate(clip) == pytest.approx(12)


def test_speaking_logits_are_averaged_where_there_are_any():
    clips = [{"logits": np.array(values, np.float32)} for values in ([], [np.nan, np.nan], [1.0, np.nan, 3.0])]
    assert [metric("av_lrasd").of_clip(ClipFeatures(clips[2], clip)) for clip in clips] == [None, None, 2.0]
    reasons = [metric("av_lrasd").why_none(ClipFeatures(clips[2], clip)) for clip in clips[:2]]
    assert reasons == ["the generated video has no sound", "the generated video shows no face"]
