"""AniPortrait around its diffusion networks: heads, sound to mesh and head motion, the method, the recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import Wav2Vec2Config

import baselines.aniportrait.audio2mesh as audio2mesh
from baselines.aniportrait.audio2mesh import Audio2Mesh, Offsets
from baselines.aniportrait.audio2pose import PIECE, Audio2Pose, head_motion, pieces, smoothed
from baselines.aniportrait.checkpoints import AUDIO, RENAMED, as_now, load_official
from baselines.aniportrait.config import SIZES, build, diffusion_networks
from baselines.aniportrait.head import Head, as_ibug68, rotations
from baselines.aniportrait.hearing import MelHearing
from baselines.aniportrait.method import Method
from baselines.aniportrait.training import STAGES, Clips, Pictures
from baselines.aniportrait.wav2vec2 import Wav2Vec2Hearing
from baselines.blocks.diffusion.embedding import BUNDLED_DIM
from baselines.blocks.talk import frames_at
from baselines.checkpoints import CheckpointError, difference, save_modules
from baselines.inputs.face import Face
from baselines.method import ClipContext, ClipFailure
from baselines.training.talk import TalkBank
from semo.train.data import FrameBank
from tests.unit.test_talk_contract import corpus_face

TOY = replace(SIZES["mini"].denoising, widths=(16, 16), token_dim=BUNDLED_DIM)
MINI = replace(SIZES["mini"], denoising=TOY, guider_widths=(8, 8, 16, 16), guider_head_dim=8)  # less is enough
NAME = "studio-p0020-c0"


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * 16000))).astype(np.float32)


@torch.no_grad()
def lively(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter a little off where it began: layers that begin at zero do something too."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {name: lively(module) for name, module in build(MINI).items()}


# heads


@given(st.integers(40, 300), st.integers(40, 300))
@settings(max_examples=10, deadline=None)
def test_a_head_projects_to_the_mesh_it_was_taken_from(height, width):
    face, _ = corpus_face(NAME)
    face = face[:5].scaled((height, width))
    head = Head.of(face)
    np.testing.assert_allclose(head.projected(face.size), face.mesh[..., :2], atol=1e-4)
    again = head[:1].moved(head.shape - head.shape[:1], head.motion(head[:1]))
    np.testing.assert_allclose(again.projected(face.size), face.mesh[..., :2], atol=1e-4)


def test_a_head_without_motion_stays_where_it_is():
    face, _ = corpus_face(NAME)
    still = Head.of(face[:1]).moved(np.zeros((3, 68, 3)), np.zeros((3, 6)))
    np.testing.assert_allclose(still.projected(face.size), np.repeat(face.mesh[:1, :, :2], 3, 0), atol=1e-5)


@pytest.mark.parametrize(("axis", "motion"), [(0, [0, 10, 0, 0, 0, 0]), (1, [-10, 0, 0, 0, 0, 0])])
def test_pose_of_a_face_and_euler_angles_count_alike(axis, motion):
    """Yaw is about the y axis; looking up is a negative turn about the x axis. The nose goes right, or up."""
    face, _ = corpus_face(NAME)
    turn = np.zeros((1, 3))
    turn[0, axis] = 10
    head = Head.of(face[:1])
    head = Head(head.shape, rotations(np.zeros((1, 3))), head.place)
    moved = head.moved(np.zeros((1, 68, 3)), np.array([motion], float))
    np.testing.assert_allclose(moved.rotation, rotations(turn), atol=1e-9)
    shift = moved.projected((64, 64))[0, 30] - head.projected((64, 64))[0, 30]
    assert shift[0] > 1 if axis == 0 else shift[1] < -1


def test_shape_of_a_rigid_part_does_not_depend_on_the_pose():
    face, _ = corpus_face(NAME)
    head = Head.of(face)
    rigid, lips = [27, 28, 29, 30, 39, 42], [57, 66]
    assert head.motion(head[:1])[:, :3].std(0).max() > 1.5  # degrees
    assert head.shape[:, rigid].std(0).max() < 0.1 < head.shape[:, lips, 1].std(0).min()  # centimetres
    width = np.ptp(head.shape[0, :17, 0])
    assert 13 < width < 17  # of a grown-up's face


# sound to mesh


def test_offsets_in_pieces_are_those_of_the_whole(networks, monkeypatch):
    monkeypatch.setattr(audio2mesh, "PIECE", 40)
    waveform, frames = sound(4.2), 126
    network = networks["audio2mesh"]
    made = Offsets(network, waveform, frames)
    with torch.no_grad():
        hearing = network.audio_encoder
        whole = network(hearing.cut(hearing.prepared(waveform, frames), range(frames)), frames)[0].numpy()
    np.testing.assert_allclose(made.at(range(frames)), whole, atol=1e-5)
    np.testing.assert_array_equal(made.at(range(39, 43)), made.at(range(frames))[39:43])
    assert whole.std() > 1e-2
    anchored = Offsets(network, waveform, frames, anchored=True).at(range(frames))
    np.testing.assert_allclose(anchored, whole - whole[:1], atol=1e-5)


def test_mel_frames_are_at_their_times():
    """A click at 1.0 s is heard in frame 30 of 30 per second and its neighbours alone."""
    waveform = np.zeros(32000, np.float32)
    waveform[15990:16010] = 0.5
    mel = MelHearing(8).prepared(waveform, 60)
    heard = (mel - mel[0]).abs().sum(1)
    assert heard.argmax() == 30 and set(heard.nonzero()[:, 0].tolist()) <= {29, 30, 31}


@pytest.mark.parametrize("frames", [1, 2, 7, 149, 150, 300])
def test_a_sound_has_as_many_frames_as_asked_for(frames):
    for samples in (0, 100, frames * 533, frames * 533 + 9000):
        assert MelHearing(8).prepared(sound(samples / 16000), frames).shape == (frames, 80)


# sound to head motion


def test_pose_network_continued_frame_by_frame_equals_the_whole(networks):
    network = networks["audio2pose"]
    heard, ids = torch.randn(2, 40, 80, generator=torch.Generator().manual_seed(1)), torch.tensor([3, 99])
    made = network.continued(heard, 40, ids)
    before = torch.cat((torch.zeros(2, 1, 6), made[:, :-1]), 1)
    with torch.no_grad():
        torch.testing.assert_close(made, network(heard, before, ids), rtol=0, atol=1e-5)
    assert made.std() > 1e-2


def test_pose_network_attends_to_the_past_less_and_less():
    """Upstream: minus slope times distance, slopes 1/2, 1/4 ... 1/256 of 8 heads, and nothing of what follows."""
    bias = Audio2Pose(MelHearing(8), 16, 1, 8, 10, 2)._bias(4)
    later = -torch.inf
    wanted = torch.tensor([[0, later, later, later], [-1, 0, later, later], [-2, -1, 0, later], [-3, -2, -1, 0]])
    for head in range(8):
        torch.testing.assert_close(bias[head], wanted * 2.0 ** -(head + 1))


def test_head_motion_does_not_know_the_future(networks):
    network, ids = networks["audio2pose"], torch.tensor([0])
    heard = torch.randn(1, 50, 80, generator=torch.Generator().manual_seed(2))
    other = heard.clone()
    other[:, 40:] += 1
    first, second = (network.continued(one, 50, ids) for one in (heard, other))
    known = 40 - 9  # what a frame hears reaches 9 frames ahead
    assert torch.equal(first[:, :known], second[:, :known]) and not torch.equal(first[:, known:], second[:, known:])


def test_longer_motion_than_there_are_places_is_refused(networks):
    with pytest.raises(ValueError, match="at most 300 frames at once, not 301"):
        networks["audio2pose"].continued(torch.zeros(1, 301, 80), 301, torch.tensor([0]))


@given(st.integers(1, 5000))
def test_pieces_of_head_motion_cover_every_frame_once(frames):
    spans = list(pieces(frames))
    assert [frame for span in spans for frame in span] == list(range(frames))
    assert all(len(span) == PIECE for span in spans[:-1]) and len(spans[-1]) <= 2 * PIECE


def test_smoothing_is_a_mean_over_seven_frames_and_fewer_at_the_ends():
    motion = np.arange(12.0)[:, None] ** 2 * np.ones(6)
    made = smoothed(motion)
    np.testing.assert_allclose(made[5], motion[2:9].mean(0))
    np.testing.assert_allclose(made[0], motion[:4].mean(0))
    np.testing.assert_allclose(smoothed(np.full((2, 6), 3.0)), 3.0)


@pytest.mark.parametrize("seconds", [1 / 25, 4.99, 5.0, 10.0, 12.34])
def test_head_motion_has_every_frame_of_any_length(networks, seconds):
    frames = frames_at(30, max(1, round(seconds * 25)))
    made = head_motion(networks["audio2pose"], sound(seconds), frames, 7)
    assert made.shape == (frames, 6) and np.isfinite(made).all()


# wav2vec2 and the published files

TINY = Wav2Vec2Config(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(16,) * 7,
    num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
)  # fmt: skip


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_wav2vec2_hears_as_many_frames_as_asked_for(frames):
    hearing = Wav2Vec2Hearing(TINY).eval()
    prepared = hearing.prepared(3 * sound(1.5) + 1, frames)
    assert abs(prepared.mean()) < 1e-3 and abs(prepared.std() - 1) < 1e-2
    with torch.no_grad():
        assert hearing(hearing.cut(prepared, range(frames)), frames).shape == (1, frames, 32)
        silence = hearing.cut(hearing.prepared(np.zeros(0, np.float32), frames), range(frames))
        assert hearing(silence, frames).isfinite().all()


def test_published_audio_networks_have_the_size_of_their_files():
    with torch.device("meta"):
        made = build(SIZES["official"])
    mesh, pose = (sum(p.numel() for p in made[name].parameters()) for name in ("audio2mesh", "audio2pose"))
    assert round(mesh * 4 / 1e6) == 382  # MB, as the sheet says
    assert 0.4 < pose * 4 / 1e9 < 0.6  # "about 0.5 GB"
    assert made["audio2pose"].id_embed.num_embeddings == 100 and made["audio2mesh"].out_fn.out_features == 468 * 3


def test_state_of_an_older_torch_is_read_and_a_missing_key_named():
    module = Audio2Mesh(Wav2Vec2Hearing(TINY), 8, 5)
    old = {new: name for name, new in RENAMED.items()}
    state = {}
    for key, value in module.state_dict().items():
        end = next((end for end in old if key.endswith(end)), None)
        state[key if end is None else key.removesuffix(end) + old[end]] = value
    del state["audio_encoder.masked_spec_embed"]
    assert sum(key.endswith(("weight_g", "weight_v")) for key in state) == 2
    assert difference(module, as_now(state, module)) is None
    del state["out_fn.bias"]
    assert "lacks out_fn.bias" in difference(module, as_now(state, module))


def test_official_files_are_read_one_by_one(tmp_path):
    torch.manual_seed(1)
    saved, loaded = build(MINI), build(MINI)
    for name in ("reference_unet", "pose_guider"):
        torch.save(saved[name].state_dict(), tmp_path / f"{name}.pth")
    state = saved["denoising_unet"].state_dict()
    motion = {key: value for key, value in state.items() if "motion_modules" in key}
    torch.save(motion, tmp_path / "motion_module.pth")
    torch.save({key: value for key, value in state.items() if key not in motion}, tmp_path / "denoising_unet.pth")
    for name, file in AUDIO.items():
        torch.save(saved[name].state_dict(), tmp_path / file)
    load_official(loaded, tmp_path)
    for name in set(saved) - {"codec"}:
        for key, value in saved[name].state_dict().items():
            assert torch.equal(value, loaded[name].state_dict()[key])
    (tmp_path / "audio2pose.pt").unlink()
    with pytest.raises(CheckpointError, match="audio2pose.pt"):
        load_official(loaded, tmp_path)


# the method


class SmallMethod(Method):
    sizes_of = {"mini": MINI}


@pytest.fixture(scope="module")
def method(networks, tmp_path_factory) -> Method:
    folder = tmp_path_factory.mktemp("weights")
    save_modules(networks, folder / "model.safetensors")
    record = {"method": "aniportrait", "size": "mini", "training": {"steps": 7, "stages": ["pictures", "clips"]}}
    (folder / "config.json").write_text(json.dumps(record))
    made = SmallMethod()
    made.load(folder, "mini", "cpu")
    return made


def context(face: Face | None = None, seed: int = 0, **options) -> ClipContext:
    face = corpus_face(NAME)[0][:1] if face is None else face
    return ClipContext("clip", seed, options={"steps": 1, **options}, annotations={"face": lambda: face})


def source(side: int = 64) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)


@pytest.mark.parametrize("frames", [1, 124, 125, 250])
def test_exactly_the_frames_asked_for_are_made(method, frames):
    seconds = {1: 0.04, 124: 4.99, 125: 5.0, 250: 10.0}[frames]
    made = list(method.talk(source(), sound(seconds), frames, context()))
    assert len(made) == frames and {one.shape for one in made} == {(64, 64, 3)}


def test_sound_shorter_than_the_frames_is_followed_by_silence(method):
    assert len(list(method.talk(source(), np.zeros(0, np.float32), 30, context()))) == 30
    face = corpus_face(NAME)[0][:1].scaled((48, 48))
    silent = method.talk(source(48), np.zeros(16000, np.float32), 25, context(face))
    assert {one.shape for one in silent} == {(48, 48, 3)}


def test_frames_are_made_as_they_are_asked_for(method):
    frames = method.talk(source(), sound(400), 10000, context(head="none"))
    assert len(list(islice(frames, 3))) == 3


def test_one_seed_makes_one_clip(method):
    first, again, other = (list(method.talk(source(), sound(1), 20, context(seed=seed))) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))


def test_without_head_motion_only_the_face_moves(method):
    scenes = [method.scene(source(), sound(1), 20, context(head=head)) for head in ("none", "audio")]
    still, moving = (method.drawings(scene) for scene in scenes)
    assert not still.motion.any() and moving.motion.std(0).min() > 0
    first = still.head.projected(still.size)
    face = corpus_face(NAME)[0]
    np.testing.assert_allclose(first[0], face.mesh[0, :, :2], atol=1e-4)
    assert torch.equal(still.at(range(1)), method.drawings(scenes[0]).at(range(1)))
    with pytest.raises(ValueError, match="head is audio or none, not 'video'"):
        method.settings({"head": "video"})


def test_a_detected_face_is_taken_by_its_landmarks(method):
    mesh = np.random.default_rng(0).uniform(10, 54, (1, 468, 3)).astype(np.float32)
    face = Face("detected", (64, 64), mesh, np.zeros((1, 3), np.float32), np.zeros((1, 10), np.float32))
    np.testing.assert_array_equal(as_ibug68(face).mesh[0, 33 - 3], mesh[0, 4])  # the tip of the nose
    assert len(list(method.talk(source(), sound(0.2), 5, context(face)))) == 5


def test_a_portrait_without_a_face_fails_alone(method):
    def missing() -> Face:
        raise ClipFailure("no face is found in the portrait")

    with pytest.raises(ClipFailure, match="no face"):
        method.talk(source(), sound(1), 25, ClipContext("c", 0, annotations={"face": missing}))


def test_settings_say_how_frames_were_made(method):
    found = method.settings({"guidance": 2.0})
    assert found["guidance"] == 2.0 and found["fps"] == 30 and found["head"] == "audio"
    assert found["trained"] == "pictures 7 + clips 7 steps"
    official = Method.samplings["official"]
    assert (official.steps, official.guidance, official.context, official.overlap) == (25, 3.5, 16, 4)


# the recipe


@pytest.fixture(scope="module")
def bank() -> TalkBank:
    face, _ = corpus_face(NAME)
    frames = np.random.default_rng(0).integers(0, 256, (2, 50, 64, 64, 3), np.uint8)
    heard = [torch.from_numpy(sound(2, seed)) for seed in (0, 1)]
    return TalkBank(FrameBank([{"a": frames[0], "b": frames[1]}]), heard, [face[:50], face[60:110]])


def stage(kind, bank: TalkBank, order: int):
    torch.manual_seed(0)
    made = kind(build(MINI), bank, lambda x: [x], 0, order)
    STAGES[0].prepare(made)
    made.prepare()
    return made


@pytest.mark.parametrize(("order", "kind"), list(enumerate(STAGES)))
def test_gradients_reach_everything_that_is_trained(bank, order, kind):
    made = stage(kind, bank, order)
    for network in made.networks.values():
        lively(network)
    made.train()
    made.networks["audio2pose"].eval()  # without dropout
    batch, names = made.batch(3, 0.0)
    assert set(names) <= {"a", "b"} and len(batch.frames) == 8
    made(batch).backward()
    still = {f"networks.reference_unet.{name}" for name in made.networks["reference_unet"].unused_parameters()}
    if kind is Pictures:
        still |= {name for name, _ in made.named_parameters() if "motion_modules" in name}
    reached = {name for name, p in made.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    trained = {name for name, p in made.named_parameters() if p.requires_grad}
    few = {name for name in trained if "id_embed" in name}  # some of its rows
    assert trained - reached - few == still & trained and few <= reached


def test_a_batch_depends_on_seed_and_step_alone(bank):
    made = stage(Clips, bank, 1)
    first, again, other = (made.batch(step, 0.0)[0] for step in (4, 4, 5))
    for name, value in vars(first).items():
        if isinstance(value, torch.Tensor) and value.numel():
            assert torch.equal(value, getattr(again, name)), name
    assert not torch.equal(first.sound, other.sound) and not torch.equal(first.noise, other.noise)
    assert not first.motion[:, 0].any() and first.motion[:, -1].abs().max() > 0.1


def test_frames_without_a_face_teach_nothing(bank):
    made = stage(Clips, bank, 1)
    heard = made.heard(8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        lively(made.networks["audio2mesh"])
        before = made.moved(**heard)
        heard["offsets"][:4] = heard["motion"][:4] = torch.nan
        half = made.moved(**heard)
        heard["offsets"][:] = torch.nan
        none = made.moved(**heard)
    assert all(value.isfinite() for value in half) and all(value == 0 for value in none)
    assert before[0] != half[0]


def test_diffusion_networks_alone_are_those_of_the_method():
    with torch.device("meta"):
        assert set(build(MINI)) - set(diffusion_networks(MINI)) == {"audio2mesh", "audio2pose"}
