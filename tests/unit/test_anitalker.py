"""AniTalker: conformer and sampling against their definitions, sound, folded networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines.anitalker.animate import AniTalkerAnimator
from baselines.anitalker.config import SIZES, VARIANTS, build, published
from baselines.anitalker.conformer import Conformer, RelativeAttention, relative_positions
from baselines.anitalker.diffusion import ddim, noised, signal, spaced
from baselines.anitalker.predictor import CONTROLS, MotionPredictor, Sizes
from baselines.anitalker.sampling import MotionSampler, shares, spans
from baselines.anitalker.sound import Hubert, Mfcc, differences, mfcc_rows
from baselines.checkpoints import CheckpointError
from tests.unit.anitalker_samples import DOUBLE, TINY, networks, tiny, tiny_hubert, voice


def test_relative_attention_is_its_definition() -> None:
    """Transformer-XL, section 3.3: one sum per pair of query and key."""
    torch.manual_seed(0)
    length, width, heads = 7, 8, 2
    layer = RelativeAttention(width, heads).double()
    x, positions = torch.randn(1, length, width, dtype=DOUBLE), torch.randn(2 * length - 1, width, dtype=DOUBLE)
    q, k, v = (part(x)[0].unflatten(-1, (heads, -1)) for part in (layer.linear_q, layer.linear_k, layer.linear_v))
    p = layer.linear_pos(positions).unflatten(-1, (heads, -1))
    mixed = torch.zeros(length, heads, width // heads, dtype=DOUBLE)
    for head in range(heads):
        for i in range(length):
            scores = torch.stack([
                (q[i, head] + layer.pos_bias_u[head]) @ k[j, head]
                + (q[i, head] + layer.pos_bias_v[head]) @ p[length - 1 - (i - j), head]
                for j in range(length)
            ])  # fmt: skip
            mixed[i, head] = (scores / 2).softmax(0) @ v[:, head]
    torch.testing.assert_close(layer(x, positions)[0], layer.linear_out(mixed.flatten(1)), rtol=0, atol=1e-12)


def test_positions_fall_from_the_future_to_the_past() -> None:
    table = relative_positions(4, 6, torch.zeros(1))
    angles = np.arange(3, -4, -1)[:, None] / 10000 ** (np.arange(0, 6, 2) / 6)
    expected = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(7, 6)
    np.testing.assert_allclose(table.numpy(), expected, atol=1e-6)


@torch.inference_mode()
def test_a_sequence_does_not_depend_on_the_others_of_its_batch() -> None:
    torch.manual_seed(0)
    network = Conformer(8, 2, 8, 5, 2).double().eval()
    x = torch.randn(3, 9, 8, dtype=DOUBLE)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]), rtol=0, atol=1e-12)
    assert network(x[:, :1]).shape == (3, 1, 8)


@pytest.mark.parametrize("steps", (1, 5, 25))
@pytest.mark.parametrize("bound", (1.0, None))
def test_sampling_is_that_of_diffusers(steps: int, bound: float | None) -> None:
    from diffusers import DDIMScheduler

    torch.manual_seed(0)
    layer = nn.Linear(6, 6).requires_grad_(False)
    scheduler = DDIMScheduler(
        beta_start=1e-4, beta_end=0.02, clip_sample=bound is not None, clip_sample_range=bound or 1.0
    )
    scheduler.set_timesteps(steps)
    sample = start = torch.randn(2, 7, 6)
    for timestep in scheduler.timesteps:
        noise = layer(sample) + timestep / 1000
        sample = scheduler.step(noise, int(timestep), sample, use_clipped_model_output=True).prev_sample
    made = list(ddim(lambda x, t: layer(x) + t / 1000, start, spaced(steps), bound and (-bound, bound)))
    assert [step.index for step in made] == list(reversed(range(steps)))
    tolerance = 2e-3 * float(sample.abs().max())  # of float32, in which the two round 1 - A at different places
    torch.testing.assert_close(made[-1].sample, sample, rtol=0, atol=tolerance)
    torch.testing.assert_close(made[-1].sample, made[-1].clean, rtol=0, atol=0)


def test_the_right_noise_leads_back_to_the_clean_motion() -> None:
    torch.manual_seed(0)
    clean, noise = torch.rand(2, 5, 3, dtype=DOUBLE) * 2 - 1, torch.randn(2, 5, 3, dtype=DOUBLE)
    steps = spaced(10)
    last = torch.full((2,), steps[-1])
    noisy = noised(clean, noise, last)
    assert noised(clean, noise, torch.zeros(2, dtype=torch.long)).sub(clean).abs().max() < 0.05
    *_, final = ddim(lambda x, t: (x - signal()[t].sqrt() * clean) / (1 - signal()[t]).sqrt(), noisy, steps, None)
    torch.testing.assert_close(final.sample, clean, rtol=0, atol=1e-6)


def test_timesteps() -> None:
    assert spaced(50) == list(range(0, 1000, 20)) and spaced(3) == [0, 333, 666]
    for steps in (0, 1001):
        with pytest.raises(ValueError, match="1 to 1000 steps"):
            spaced(steps)


@given(st.integers(1, 400), st.integers(2, 60), st.data())
def test_windows_cover_a_clip_and_their_shares_sum_to_one(frames: int, window: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, max(1, window // 2)))
    if overlap >= window:
        return
    parts = spans(frames, window, overlap)
    assert parts[0][0] == 0 and parts[-1][1] == frames
    assert all(stop - start == min(window, frames) for start, stop in parts)
    assert all(before[1] - after[0] >= overlap for before, after in zip(parts, parts[1:]))
    total = torch.zeros(frames)
    for (start, stop), weight in zip(parts, shares(parts, overlap)):
        assert (weight > 0).all()
        total[start:stop] += weight
    torch.testing.assert_close(total, torch.ones(frames))


class PerFrame(MotionPredictor):
    """A network that sees every frame alone: cutting a clip into windows must not change what it makes."""

    longest = 0

    def condition(self, audio: Tensor, source: Tensor, start: Tensor, given: Any = None) -> Any:
        return audio.unflatten(1, (-1, 4)).mean(2)[..., : start.shape[1]] / 20

    def forward(self, noisy: Tensor, time: Any, condition: Any) -> Tensor:
        self.longest = max(self.longest, noisy.shape[1])
        return 0.5 * noisy + condition


def test_windows_change_nothing_for_a_network_that_sees_single_frames() -> None:
    network, sound = PerFrame(TINY).double(), voice(90)
    source, start = torch.zeros(1, 64, dtype=DOUBLE), torch.zeros(1, 20, dtype=DOUBLE)
    whole = MotionSampler(network, Mfcc(), 90, 8)(sound, source, start, 5, 4, {})
    network.longest = 0
    cut = MotionSampler(network, Mfcc(), 24, 8)(sound, source, start, 5, 4, {})
    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-5)  # the shares are float32
    assert network.longest == 24


@pytest.mark.parametrize("relative", (False, True))
def test_a_network_that_knows_the_motion_gives_it(relative: bool) -> None:
    class Knowing(MotionPredictor):
        def forward(self, noisy: Tensor, time: Any, condition: Any) -> Tensor:
            return torch.full_like(noisy, 0.5)

    network = Knowing(tiny(relative=relative, predicts="motion"))
    if relative:
        network.spread.fill_(0.1)
    made = MotionSampler(network, Mfcc(), 50, 8)(voice(9), torch.zeros(1, 64), torch.full((1, 20), 2.0), 0, 4, {})
    torch.testing.assert_close(made, torch.full((9, 20), 2.05 if relative else 0.5))
    torch.testing.assert_close(network.motion(network.normalised(made[None], made[:1]), made[:1])[0], made)


@pytest.mark.parametrize("frames", (1, 2, 33))
@pytest.mark.parametrize("silent", (False, True))
def test_four_rows_of_mfcc_per_frame(frames: int, silent: bool) -> None:
    rows = mfcc_rows(voice(frames) * (not silent))
    assert rows.shape == (4 * frames, 39) and rows.dtype == torch.float32 and rows.isfinite().all()


@pytest.mark.parametrize("reach", (1, 2))
def test_differences_are_slopes(reach: int) -> None:
    rows = np.random.default_rng(0).standard_normal((9, 2))
    made, steps = differences(rows, reach), np.arange(-reach, reach + 1)
    for i in range(reach, 9 - reach):
        slope = np.polyfit(steps, rows[i - reach : i + reach + 1], 1)[0]
        np.testing.assert_allclose(made[i], slope, atol=1e-12)
    np.testing.assert_allclose(differences(np.ones((3, 2)), reach), 0, atol=1e-12)


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hubert(tmp_path_factory.mktemp("official"))


@pytest.mark.parametrize("frames", (1, 2, 10))
def test_two_rows_of_all_states_of_hubert_per_frame(hubert: Path, frames: int) -> None:
    listen = Hubert(hubert, "cpu", states=3, width=16)
    states = listen(voice(frames))(0, frames)
    assert states.shape == (1, 3, 2 * frames, 16)
    assert torch.equal(states[:, :, -1], states[:, :, -2])
    louder = listen(3 * voice(frames) + 0.1)(0, frames)
    torch.testing.assert_close(louder, states, rtol=0, atol=1e-3)  # normalised
    assert listen(voice(frames))(frames - 1, frames).shape == (1, 3, 2, 16)
    assert listen(np.zeros(640 * frames, np.float32))(0, frames).isfinite().all()


def test_another_or_incomplete_hubert_is_refused(hubert: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="HuBERT of 2 layers of 16, needed are 24 of 1024"):
        Hubert(hubert, "cpu", 25, 1024)
    with pytest.raises(CheckpointError, match="nothing: holds no HuBERT that can be read"):
        Hubert(tmp_path / "nothing", "cpu", 3, 16)
    from safetensors.torch import load_file, save_file

    for file in hubert.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(hubert / "model.safetensors")
    del tensors["encoder.layers.1.final_layer_norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks encoder.layers.1.final_layer_norm.weight"):
        Hubert(tmp_path, "cpu", 3, 16)


def test_parameters_of_the_published_variants() -> None:
    """The numbers of the original; the key lists of four of the five are compared by tests/parity."""
    counts = {"hubert_audio_only": 39_573_677, "hubert_pose_only": 40_301_104, "hubert_full_control": 41_753_394,
              "mfcc_pose_only": 26_488_855}  # fmt: skip
    with torch.device("meta"):
        made = {variant: MotionPredictor(published(variant)) for variant in VARIANTS}
        renderer = build(replace(SIZES["official"], motion=TINY))["lia"]
    for variant, count in counts.items():
        assert sum(p.numel() for p in made[variant].parameters()) == count
    assert sum(p.numel() for p in renderer.parameters()) == 46_923_173
    extra = {key.split(".")[0] for key in made["mfcc_full_control"].state_dict()} - {
        key.split(".")[0] for key in made["mfcc_pose_only"].state_dict()
    }
    assert extra == {f"{name}_{part}" for name in ("location", "face_scale") for part in ("predictor", "encoder")}
    with pytest.raises(ValueError, match="no variant 'hubert_smile'"):
        published("hubert_smile")


def audio_of(sizes: Sizes, frames: int, batch: int = 2) -> Tensor:
    layers = (sizes.audio_layers,) if sizes.features == "hubert" else ()
    return torch.randn(batch, *layers, sizes.rate * frames, sizes.audio_dim)


@pytest.mark.parametrize("features", ("hubert", "mfcc"))
@pytest.mark.parametrize("controls", ((), ("pose",), tuple(CONTROLS)))
def test_gradients_reach_every_parameter_of_stage_2(features: str, controls: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    sizes = tiny(features=features, controls=controls, audio_layers=3)
    network = MotionPredictor(sizes)
    condition = network.condition(audio_of(sizes, 6), torch.randn(2, 64), torch.randn(2, 20))
    assert {name: value.shape for name, value in condition.predicted.items()} == {
        name: (2, 6, CONTROLS[name]) for name in controls
    }
    made = network(torch.randn(2, 6, 20), torch.tensor([3, 700]), condition)
    made.square().sum().backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
    # a softmax does not see what is added to every key's score: the key's bias
    assert {name for name in idle if not name.endswith("linear_k.bias")} == set()


@torch.inference_mode()
def test_given_controls_replace_predicted_ones() -> None:
    torch.manual_seed(0)
    sizes = tiny(controls=tuple(CONTROLS))
    network = MotionPredictor(sizes).eval()
    rest = audio_of(sizes, 6, 1), torch.randn(1, 64), torch.randn(1, 20)
    own = network.condition(*rest)
    same = network.condition(*rest, own.predicted)
    torch.testing.assert_close(same.features, own.features, rtol=0, atol=0)
    turned = network.condition(*rest, own.predicted | {"pose": own.predicted["pose"] + 1})
    assert (turned.features - own.features).abs().max() > 1e-4


@torch.inference_mode()
def test_fast_renderer_is_the_plain_one() -> None:
    """In float64, where nothing but mistakes is left; a batch of the fast against single frames of the plain."""
    plain, fast = (AniTalkerAnimator(networks(DOUBLE), 64, way) for way in (False, True))
    source, driving = torch.rand(4, 3, 64, 64, dtype=DOUBLE).split((1, 3))
    prepared = fast.source(source)
    made = fast.render(prepared, fast.points(driving), None)
    expected = [plain.render(plain.source(source), plain.points(frame), None) for frame in driving.split(1)]
    torch.testing.assert_close(made, torch.cat(expected), rtol=0, atol=1e-9)
    torch.testing.assert_close(prepared.points["alpha"], fast.points(source)["alpha"], rtol=0, atol=1e-10)


@torch.inference_mode()
def test_folded_renderer_equals_the_original() -> None:
    """Within the tolerances of the plain networks."""
    from tests.parity import fill
    from tests.parity.check import FIXTURES, fill_modules, make_inputs, read

    golden = read(FIXTURES / "anitalker.json")
    golden.meta["modules"] = {"stage1": golden.meta["modules"]["stage1"]}
    modules = golden.modes.build(golden.meta)
    assert fill_modules(modules, golden.meta) == []
    inputs = make_inputs(golden.meta, [])
    fast = AniTalkerAnimator({"lia": modules["stage1"]}, 256)
    source, points = fast.source(inputs["source"]), fast.points(inputs["driving"])
    latent = source.small + fast.modules["lia"].dec.direction(points["alpha"][:1])
    outputs = {
        "source_code": source.small,
        "alpha.source": source.points["alpha"],
        "alpha.driving1": points["alpha"][1:],
        "source_feat.3": source.maps[3],
        "render.driving0.image": fast.modules["lia"].dec(latent, source.maps),
    }
    rows = fill.compare(outputs, golden.arrays, golden.meta, only=outputs)
    assert len(rows) == len(outputs) and all(row["ok"] for row in rows), rows[:3]


@torch.inference_mode()
def test_modes_honour_every_parameter() -> None:
    """Also those that the public sidecar does not use: controlled sampling, other schedules, no cut."""
    from tests.parity.modes.anitalker import MODES, SAMPLER

    torch.manual_seed(0)
    network = MotionPredictor(tiny(controls=tuple(CONTROLS))).eval()
    inputs = {
        "initial_code": torch.randn(1, 64), "direction_code": torch.randn(1, 20),
        "audio": audio_of(network.sizes, 6, 1),
        "face_location": torch.randn(1, 6, 1), "face_scale": torch.randn(1, 6, 1),
        "yaw_pitch_roll": torch.randn(1, 6, 3), "noisy": torch.randn(1, 6, 20),
    }  # fmt: skip
    params = SAMPLER | {
        "module": "m", "num_train_timesteps": 100, "beta_start": 1e-3, "beta_end": 0.05, "clip_x0": [-1.0, 1.0],
        "timesteps": [0, 30, 90], "indices": [2, 1, 0], "control_flag": False,
    }  # fmt: skip

    def made(**changes: Any) -> Tensor:
        return MODES["ddim"]({"m": network}, inputs, {}, params | changes, {})["motion"]

    whole = made()
    assert whole.abs().max() <= 1
    for change in ({"control_flag": True}, {"clip_x0": None}, {"indices": [1, 0]}, {"beta_end": 0.02}):
        assert (made(**change) - whole).abs().max() > 1e-4, change
    fields = MODES["ddim"]({"m": network}, inputs, {}, params | {"after_steps": [2]}, {})
    assert {"after_step_2", "index_2.pred_x0", "index_0.pred_x0", "motion"} <= set(fields)
    with pytest.raises(ValueError, match="eta"):
        made(eta=1.0)
