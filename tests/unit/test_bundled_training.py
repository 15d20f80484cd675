"""Training of the bundled tier's networks: labels follow the pictures, and every parameter is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from semo.features.nets.corpus import CURVES, LANDMARKS, FrameNet, folded, mouth_boxes, sampled
from semo.features.nets.corpus_av import AudioVisualNet, cut_squares
from semo.features.nets.corpus_clip import LENGTH, windows_of
from semo.features.train.av import KEPT, AudioVisualStage, Talker, varied_mouths, varied_sound
from semo.features.train.clip import ClipStage, Featured, times_of
from semo.features.train.data import MIRROR, AnnotatedClip, distorted, moved
from semo.features.train.frame import FrameStage

FRAMES = 48


def annotated_clips(count: int = 3) -> list[AnnotatedClip]:
    """Clips of noise with plausible labels."""
    rng = np.random.default_rng(0)
    return [AnnotatedClip(f"p{i}", rng.integers(0, 255, (FRAMES, 96, 96, 3), np.uint8),
                          rng.standard_normal((FRAMES, CURVES)).astype(np.float32),
                          rng.uniform(0.3, 0.7, (FRAMES, LANDMARKS, 2)).astype(np.float32), np.zeros(0, np.float32))
            for i in range(count)]


def talkers(count: int = 12) -> list[Talker]:
    rng = np.random.default_rng(0)
    return [Talker(f"p{i}", rng.integers(0, 255, (2, FRAMES, KEPT, KEPT, 3), np.uint8),
                   rng.standard_normal((2 * FRAMES, 80)).astype(np.float32),
                   rng.dirichlet(np.ones(16), FRAMES).astype(np.float32)) for i in range(count)]


def featured(count: int = 3) -> list[Featured]:
    rng = np.random.default_rng(0)
    return [Featured(f"p{i}", *rng.standard_normal((2, FRAMES, 128)).astype(np.float32),
                     rng.standard_normal((FRAMES, CURVES)).astype(np.float32), np.zeros(5, np.float32))
            for i in range(count)]


def stages() -> list[nn.Module]:
    return [FrameStage(annotated_clips(), annotated_clips(1), 0), ClipStage(featured(), featured(1), 0),
            AudioVisualStage(talkers(), talkers(1), 0)]


@pytest.mark.parametrize("index", range(3), ids=["frame", "clip", "av"])
def test_every_parameter_gets_a_gradient_and_batches_depend_on_the_step_alone(index):
    stage = stages()[index]
    batch, names = stage.batch(3, 0.1)
    again, _ = stage.batch(3, 0.9)
    other, _ = stage.batch(4, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(vars(batch).values(), vars(again).values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(vars(batch).values(), vars(other).values(), strict=True))
    assert len(names) == stage.optimiser.batch
    stage(batch).backward()
    idle = [name for name, p in stage.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle
    stage.eval()
    assert all(np.isfinite(value) for value in stage.report().values())


@pytest.mark.parametrize("seed", range(6))
def test_landmarks_move_with_the_picture(seed):
    """A bright spot on a landmark is still under it after turning, scaling, shifting and mirroring."""
    points = np.random.default_rng(1).uniform(0.35, 0.65, (LANDMARKS, 2))
    frame = np.zeros((128, 128, 3), np.uint8)
    x, y = points[30] * 128 - 0.5
    rows, columns = np.mgrid[:128, :128]
    frame[:] = (255 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18))[..., None]
    picture, _, found = moved(frame, np.zeros(CURVES, np.float32), points, np.random.default_rng(seed))
    weight = picture[..., 0].astype(float)
    rows, columns = np.mgrid[:64, :64] + 0.5
    centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum() / 64
    np.testing.assert_allclose(centre, found[30], atol=0.004)


def test_mirror_images_of_landmarks_come_in_pairs():
    assert MIRROR[MIRROR].tolist() == list(range(LANDMARKS))
    assert sorted(MIRROR) == list(range(LANDMARKS))


def test_turning_the_picture_turns_roll():
    """Level eyes before; the angle between the eyes afterwards is minus the roll."""
    points = np.full((LANDMARKS, 2), 0.5)
    points[36], points[45] = (0.4, 0.4), (0.6, 0.4)
    for seed in range(8):
        _, curves, found = moved(np.zeros((64, 64, 3), np.uint8), np.zeros(CURVES, np.float32), points,
                                 np.random.default_rng(seed))
        dx, dy = found[45] - found[36]
        assert -np.degrees(np.arctan2(dy, dx)) == pytest.approx(curves[2], abs=1e-4)


def test_distortions_are_labelled():
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    seen = set()
    for seed in range(60):
        picture, strengths = distorted(frame, lambda: frame[::-1], np.random.default_rng(seed))
        kinds = np.flatnonzero(strengths)
        assert len(kinds) <= 1 and (len(kinds) == 0) == np.array_equal(picture, frame)
        seen.update(kinds.tolist())
    assert seen == set(range(5))


def test_times_of_windows():
    rng = np.random.default_rng(0)
    found = {kind: times_of(kind, FRAMES, rng) for kind in ("real", "frozen", "shuffled", "slow", "fast", "jerky")}
    assert all(len(times) == LENGTH and 0 <= times.min() and times.max() < FRAMES for times in found.values())
    assert np.ptp(found["frozen"]) == 0
    assert (np.diff(found["real"]) == 1).all() and (np.diff(found["fast"]) == 2).all()
    assert (np.diff(found["slow"])[1::2] == 1).all() and (np.diff(found["slow"])[::2] == 0).all()
    assert (np.diff(np.sort(found["shuffled"])) == 1).all() and (np.diff(found["shuffled"]) != 1).any()
    assert (np.diff(found["jerky"]) >= 0).all() and (np.diff(found["jerky"]) == 0).any()


def test_windows_begin_every_eight_frames():
    frames = torch.arange(40.0)[:, None]
    assert windows_of(frames)[:, 0, 0].tolist() == [0, 8, 16, 24]
    assert windows_of(frames)[1, :, 0].tolist() == list(range(8, 24))
    assert windows_of(frames[:15]).shape == (0, LENGTH, 1)


@pytest.mark.parametrize(("kind", "method", "shape"), [
    (FrameNet, "features", (2, 3, 64, 64)), (AudioVisualNet, "look", (3, 3, 32, 32)),
    (AudioVisualNet, "lips", (2, 20, 96)), (AudioVisualNet, "speech", (2, 40, 80))])
def test_shipped_form_is_the_trained_function(kind, method, shape):
    torch.manual_seed(0)
    trained = kind(training_norm=True)
    for layer in trained.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(), layer.running_var.uniform_(0.5, 2), layer.bias.data.normal_()
    plain, x = folded(trained.eval(), kind()), torch.rand(shape)
    # folding reorders float32 products
    torch.testing.assert_close(getattr(plain, method)(x), getattr(trained, method)(x), atol=1e-5, rtol=1e-4)


def test_both_ways_to_cut_out_a_mouth_agree():
    """OpenCV's for the audio-visual network, torch's inside the frame network."""
    rng = np.random.default_rng(0)
    frame = np.kron(rng.integers(0, 255, (1, 12, 12, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    boxes = mouth_boxes(torch.from_numpy(rng.uniform(0.3, 0.7, (1, LANDMARKS, 2)).astype(np.float32)))
    ours = sampled(torch.from_numpy(frame).permute(0, 3, 1, 2).float(), boxes, (32, 32))
    theirs = cut_squares(frame, boxes.numpy()).transpose(0, 3, 1, 2)
    assert np.abs(ours.numpy() - theirs).mean() < 2, "OpenCV interpolates with 5 bits"


def test_varied_sound_and_mouths_keep_their_shapes():
    rng, talker = np.random.default_rng(0), talkers(1)[0]
    assert varied_mouths(talker.mouths[0], rng).shape == (FRAMES, 32, 32, 3)
    assert varied_sound(talker.mel, rng).shape == talker.mel.shape
