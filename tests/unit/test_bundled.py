"""The shipped networks of the bundled tier on test people of portraits-mini, none of whom they were trained on."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from semo.features.base import SHIPPED
from semo.features.nets.corpus import load_perceptual
from semo.features.train.data import blurred, compressed, noisy
from semo.features.train.measure import Networks, features, frozen, held, moved_sound, pushed, shuffled
from semo.media import read_audio, read_frames
from semo.metrics.avd_corpus import least_distance, offset
from semo.metrics.base import ClipFeatures
from semo.metrics.fid import distance_of_frames
from semo.metrics.fvd import distance_of_windows
from semo.metrics.gaze_error import gaze_error
from semo.metrics.mouth_error import mouth_error
from semo.metrics.pose_error import pose_error
from semo.pictures import crop_resize

CORPUS = Path(__file__).parents[2] / "data" / "portraits-mini"
CLIPS = ("broadcast/broadcast-p0001-c0", "street/street-p0014-c1", "studio/studio-p0023-c2", "studio/studio-p0027-c0")
SPOKEN = [f"{subset}/{subset}-p{10 * i + k:04d}-c{k % 3}" for i, subset in enumerate(("broadcast", "street", "studio"))
          for k in (2, 5, 8)]


@cache
def networks() -> Networks:
    return Networks()


@cache
def clip(name: str, frames: int = 40) -> np.ndarray:
    """The first frames of a shipped clip at 64 px, uint8 (n, 64, 64, 3)."""
    return np.stack([crop_resize(frame, None, 64) for frame in read_frames(CORPUS / f"{name}.mp4", frames=frames)])


def truth(name: str) -> dict[str, np.ndarray]:
    with np.load(CORPUS / f"{name}.npz") as data:
        return dict(data)


def each_frame(change, strength: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.stack([change(frame, strength, rng) for frame in clip(name)]) for name in CLIPS]


def test_files_are_small_and_are_those_the_readme_describes():
    files = sorted(SHIPPED.glob("*.safetensors"))
    text = (SHIPPED / "README.md").read_text()
    recorded = dict(re.findall(r"`(corpus-[a-z]+\.safetensors)` \|.*`([0-9a-f]{64})`", text))
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files} == recorded
    assert len(files) == 4 and sum(f.stat().st_size for f in files) <= 3_000_000


@pytest.mark.parametrize("name", ["frame", "clip", "av"])
def test_features_do_not_depend_on_chunks(name):
    network, frames = getattr(networks(), name), clip(CLIPS[0])
    sound = read_audio(CORPUS / f"{CLIPS[0]}.mp4")[: len(frames) * 640]
    whole = features(network, frames, sound)
    session, other = network.start(), network.start()
    for part in np.split(frames, (1, 8, 39)):
        session.add(part)
        other.add(part[::-1])
    for key, values in session.finish(sound).items():
        # float32 convolutions sum in another order for another batch size
        np.testing.assert_allclose(values, whole[key], atol=2e-4, err_msg=key)


def test_shapes_of_features():
    frames = clip(CLIPS[0])
    found = features(networks().frame, frames)
    assert {k: v.shape for k, v in found.items()} == {"frames": (40, 128), "pose": (40, 3), "gaze": (40, 2),
                                                      "blink": (40,), "mouth": (40,)}
    assert features(networks().clip, frames)["windows"].shape == (4, 128)
    assert features(networks().clip, frames[:15])["windows"].shape == (0, 128)
    assert features(networks().av, frames)["speech"].shape == (0, 64), "there was no sound"


def test_frame_size_hardly_matters():
    """The same clip at 256 and at 64 px: only the reduction differs."""
    large = read_frames(CORPUS / f"{CLIPS[1]}.mp4", frames=8)
    a, b = (features(networks().frame, frames) for frames in (large, clip(CLIPS[1])[:8]))
    np.testing.assert_allclose(a["frames"], b["frames"], atol=1e-4)


def test_identical_frames_have_no_distance():
    real = [features(networks().frame, clip(name)) for name in CLIPS]
    windows = [features(networks().clip, clip(name)) for name in CLIPS]
    assert distance_of_frames(real, real) == pytest.approx(0, abs=1e-6)
    assert distance_of_windows(windows, windows) == pytest.approx(0, abs=1e-6)
    assert networks().perceptual.distances(clip(CLIPS[0]), clip(CLIPS[0])).max() == 0


DAMAGE = {"blur": (lambda f, s, rng: blurred(f, s), (0.1, 0.35, 0.8)), "noise": (noisy, (0.1, 0.35, 0.8)),
          "jpeg": (lambda f, s, rng: compressed(f, s), (0.1, 0.35, 0.8)), "shift": (pushed, (1 / 64, 1 / 32, 1 / 16))}


@pytest.mark.parametrize("kind", DAMAGE)
def test_stronger_damage_is_farther(kind):
    change, strengths = DAMAGE[kind]
    real = [features(networks().frame, clip(name)) for name in CLIPS]
    sides = [each_frame(change, strength) for strength in strengths]
    paired = [np.mean([networks().perceptual.distances(clip(n), f).mean() for n, f in zip(CLIPS, fakes)])
              for fakes in sides]
    frechet = [distance_of_frames(real, [features(networks().frame, f) for f in fakes]) for fakes in sides]
    assert 0 < paired[0] < paired[1] < paired[2]
    assert 0 < frechet[0] < frechet[1] < frechet[2]


def test_other_people_are_far():
    own = [networks().perceptual.distances(clip(n)[:-4], clip(n)[4:]).mean() for n in CLIPS]
    others = [networks().perceptual.distances(clip(a), clip(b)).mean() for a, b in zip(CLIPS, CLIPS[1:])]
    assert max(own) < min(others)


def test_motion_network_sees_time():
    real = [features(networks().clip, clip(name)) for name in CLIPS]
    rng = np.random.default_rng(0)
    found = {f.__name__: distance_of_windows(real, [features(networks().clip, f(clip(n), rng)) for n in CLIPS])
             for f in (held, frozen, shuffled)}
    frames = distance_of_frames(*(2 * [[features(networks().frame, clip(n)) for n in CLIPS]]))
    assert min(found.values()) > 10 * max(frames, 0.01), found
    assert found["held"] < found["frozen"]


def test_errors_against_the_truth_are_those_of_the_network():
    """Upper bounds: a half above the means of all test clips in the README, since these are four of ninety."""
    pairs = [ClipFeatures(real := features(networks().frame, clip(n)), real, truth(n)) for n in CLIPS]
    assert np.mean([pose_error(p) for p in pairs]) < 0.86
    assert np.mean([mouth_error(p) for p in pairs]) < 0.043
    assert np.mean([gaze_error(p) for p in pairs]) < 2.1


def test_moved_sound_moves_the_offset():
    right, nearer = [], []
    for index, name in enumerate(SPOKEN):
        frames, sound = clip(name, 125), read_audio(CORPUS / f"{name}.mp4")[: 125 * 640]
        session = networks().av.start()
        session.add(frames)
        shift = (-6, 4, 9)[index % 3]
        own, moved = (session.finish(s) for s in (sound, moved_sound(sound, shift)))
        right += [abs(offset(own)) <= 1, abs(offset(moved) + shift) <= 1]
        nearer.append(least_distance(own) < least_distance(session.finish(sound[::-1].copy())))
    assert np.mean(right) >= 0.8
    assert np.mean(nearer) >= 0.8


def test_perceptual_maps_pass_gradients_to_the_picture_only():
    net = load_perceptual()
    x = torch.from_numpy(clip(CLIPS[0])[:2]).permute(0, 3, 1, 2).float().div(255).requires_grad_()
    maps = net.perceptual_maps(x)
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 64, 64), (32, 32, 32), (64, 16, 16), (96, 8, 8), (128, 4, 4)]
    for one in maps:
        (gradient,) = torch.autograd.grad(one.square().mean(), x, retain_graph=True)
        assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    assert not any(p.requires_grad for p in net.parameters())
    twin = x.detach().clone().requires_grad_()
    net(twin, x.detach()).sum().backward()
    assert torch.isfinite(twin.grad).all(), "equal pictures are a point without a direction, not without a gradient"
