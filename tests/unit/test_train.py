"""Training: data draws, exact resume, every stage learns, bad settings are refused in one sentence."""

import json

import numpy as np
import pytest
import torch

from semo.codec import make_codec
from semo.errors import WriteError
from semo.flow import Flow
from semo.pipeline import PipelineConfig, SeMoPipeline
from semo.train import loop
from semo.train.__main__ import main
from semo.train.data import FrameBank, Part, augment, step_generator
from semo.train.loop import Checkpoint, Curve, Ema, learning_rate, train
from semo.train.reflow import Reflow, ReflowGenerator
from semo.train.settings import AugmentSettings, OptimiserSettings, Preset, build, load_preset
from semo.train.stage1 import Stage1
from semo.train.stage1b import Stage1b
from semo.train.stage2 import Stage2
from tests.unit.train_data import SIZE, moving_squares


@pytest.fixture(scope="module")
def bank() -> FrameBank:
    return moving_squares()


TINY = ["frame_size=32", "patch=8", "encoder.width=48", "decoder.width=48", "encoder.heads=2", "decoder.heads=2",
        "warp_cells=4", "stage1.batch=16", "stage1.lr=2.0e-3", "stage1b.optimiser.batch=4", "stage2.window=8",
        "stage2.previous=4", "stage2.optimiser.batch=8", "stage2.network.width=48", "reflow.pairs=64",
        "reflow.generator_pairs=16", "reflow.teacher_steps=4"]


def tiny(*overrides: str) -> Preset:
    """A preset for clips of 32 px and 24 frames that learns within seconds."""
    return load_preset("smoke", [*TINY, *overrides])


def stage1(bank: FrameBank, *overrides: str) -> Stage1:
    preset = tiny(*overrides)
    torch.manual_seed(0)
    return Stage1(preset, make_codec("pixel", SIZE), bank, seed=0)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


# data


def test_steps_draw_independently_of_history():
    a = torch.rand(4, generator=step_generator(1, 5))
    assert torch.equal(a, torch.rand(4, generator=step_generator(1, 5)))
    for other in ((1, 6), (2, 5)):
        assert not torch.equal(a, torch.rand(4, generator=step_generator(*other)))
    assert not torch.equal(a, torch.rand(4, generator=step_generator(1, 5, stream=1)))


def test_datasets_are_drawn_equally_and_pairs_stay_within_a_clip(bank):
    uneven = FrameBank([{"a": bank.clips[0].numpy()}, {f"b{i}": bank.clips[1].numpy() for i in range(9)}])
    clips, reference, target = uneven.pairs(4000, step_generator(0, 0))
    assert np.mean([c == 0 for c in clips]) == pytest.approx(0.5, abs=0.03)
    assert int(reference.max()) < 24 and int(target.max()) < 24
    assert float((reference == target).float().mean()) == pytest.approx(1 / 24, abs=0.02)


def test_windows_are_consecutive_and_inside(bank):
    _, _, start = bank.windows(500, 10, step_generator(0, 0))
    assert int(start.min()) == 0 and int(start.max()) == 14
    with pytest.raises(ValueError, match="no training clip has 99 frames"):
        bank.windows(1, 99, step_generator(0, 0))


def test_empty_training_split_is_refused():
    with pytest.raises(ValueError, match="no clip of the split 'train'"):
        FrameBank([{}])


def test_augmentation_moves_both_frames_alike_unless_told(bank):
    frames = bank.gather([0, 1], torch.tensor([[3, 3], [7, 7]]))
    alike = augment(frames, AugmentSettings(flip=0.5, colour=0.2, crop=0.2), 0.0, step_generator(0, 0))
    torch.testing.assert_close(alike[:, 0], alike[:, 1])
    assert not torch.equal(alike, frames)
    own = augment(frames, AugmentSettings(motion=0.2), 0.0, step_generator(0, 0))
    assert not torch.allclose(own[:, 0], own[:, 1])
    torch.testing.assert_close(augment(frames, AugmentSettings(motion=0.2), 1.0, step_generator(0, 0)), frames)


# settings


def test_unknown_and_missing_and_mistyped_settings_name_their_place():
    with pytest.raises(ValueError, match="preset smoke.stage1: unknown key 'batchsize'"):
        load_preset("smoke", ["stage1.batchsize=3"])
    with pytest.raises(ValueError, match="preset smoke.stage1.lr must be float, not 'fast'"):
        load_preset("smoke", ["stage1.lr=fast"])
    with pytest.raises(ValueError, match="key 'batch' is missing"):
        build(OptimiserSettings, {}, "here")
    with pytest.raises(ValueError, match="use one of"):
        load_preset("huge")
    with pytest.raises(ValueError, match="not of the form key=value"):
        load_preset("smoke", ["motion_dim"])


@pytest.mark.parametrize("name", ["small", "base"])
def test_paper_choices_are_the_defaults_at_small_and_base(name):
    preset = load_preset(name)
    assert (preset.prediction, preset.tau_schedule, preset.tau_one) == ("v", "uniform", 0.0)
    assert (preset.reference_input, preset.reference_skip, preset.motion_in_adaln) == ("sequence", "none", False)
    assert (preset.gate_init, preset.motion_norm, preset.mask_max, preset.mask_ramp) == (0.0, "layer", 0.9, (0.0, 0.0))
    assert (preset.motion_tokens, preset.motion_dim, preset.stage2.mask_max, preset.codec.kind) == (1, 512, 0.2, "vae")
    assert preset.augment == AugmentSettings()


def test_learning_rate_schedule():
    settings = OptimiserSettings(batch=1, lr=1.0, warmup=10, decay="cosine")
    assert learning_rate(settings, 0, 100) == pytest.approx(0.1)
    assert learning_rate(settings, 50, 100) == pytest.approx(0.5)
    assert learning_rate(settings, 99, 100) < 1e-3
    with pytest.raises(ValueError, match="constant or cosine"):
        learning_rate(OptimiserSettings(batch=1, decay="step"), 0, 10)


# the loop


class Killed(RuntimeError):
    """Stands for a process that dies in the middle of training."""


def killed_at(stage: Stage1, step: int) -> None:
    draw = stage.batch

    def batch(at: int, progress: float, *part: Part):
        if at == step:
            raise Killed
        return draw(at, progress, *part)

    stage.__dict__["batch"] = batch


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resume_after_a_kill_is_bit_identical(tmp_path, bank, ema):
    unbroken = stage1(bank, f"stage1.ema={ema}")
    train(unbroken, 12, tmp_path / "a", checkpoint_seconds=1e9)
    broken = stage1(bank, f"stage1.ema={ema}")
    killed_at(broken, 7)
    with pytest.raises(Killed):
        train(broken, 12, tmp_path / "b", checkpoint_seconds=0.0)
    resumed = stage1(bank, f"stage1.ema={ema}")
    train(resumed, 12, tmp_path / "b", checkpoint_seconds=0.0)
    for name, tensor in weights(unbroken).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    rows = [line.split("\t")[0] for line in (tmp_path / "b" / "curve.tsv").read_text().splitlines()]
    assert rows == ["step", *(str(i) for i in range(1, 13))]


def test_checkpoint_of_another_size_is_refused(tmp_path, bank):
    train(stage1(bank), 2, tmp_path, checkpoint_seconds=0.0)
    with pytest.raises(ValueError, match="another size; delete its folder"):
        train(stage1(bank, "motion_dim=16"), 2, tmp_path)


def test_full_disk_keeps_the_last_checkpoint(tmp_path, bank, monkeypatch):
    stage = stage1(bank)
    optimiser = torch.optim.AdamW(stage.parameters())
    checkpoint, ema = Checkpoint(tmp_path), Ema(stage, 0.0)
    checkpoint.save(stage, optimiser, ema, 3)
    before = checkpoint.path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_file", full)
    with pytest.raises(WriteError, match="the disk is full; nothing was written, free some space and run again"):
        checkpoint.save(stage, optimiser, ema, 4)
    assert checkpoint.path.read_bytes() == before
    assert checkpoint.load(stage, optimiser, ema) == 3


def test_nan_stops_with_step_and_clips(tmp_path, bank):
    stage = stage1(bank)
    with torch.no_grad():
        stage.decoder.final.linear.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"stage1: the loss is nan at step 1, clips p\d"):
        train(stage, 3, tmp_path)
    assert not (tmp_path / "model").exists()


def test_curve_drops_rows_after_the_resumed_step(tmp_path):
    curve = Curve(tmp_path / "curve.tsv", 0)
    for step in (5, 10, 15):
        curve.add(step, {"loss": 1.0, "seconds": step / 10})
    again = Curve(tmp_path / "curve.tsv", 10)
    assert [row.split("\t")[0] for row in again.rows] == ["5", "10"]
    assert again.seconds == 1.0


# the stages


def test_stage1_starts_as_a_copy_and_learns(tmp_path, bank):
    stage = stage1(bank)
    first = stage.eval().report()
    assert first["psnr_moving"] == pytest.approx(first["psnr_moving_copy"], abs=0.01)
    assert train(stage.train(), 40, tmp_path)["psnr_moving"] > first["psnr_moving"] + 1.5


def test_motion_use_is_what_shuffled_motions_cost(bank):
    """A decoder that paints a motion-coded brightness loses when motions are exchanged, one that ignores M does not."""
    stage = stage1(bank).eval()
    assert stage.report()["motion_use_db"] == pytest.approx(0.0, abs=1e-4)  # closed output layers: M cannot matter
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in (*stage.decoder.final.parameters(), *stage.decoder.warp_head.parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    assert stage.report()["motion_use_db"] != pytest.approx(0.0, abs=1e-4)


def test_ema_lags_the_weights(bank):
    stage = stage1(bank)
    ema = Ema(stage, 0.5)
    name, parameter = next(iter(stage.named_parameters()))
    old = parameter.detach().clone()
    with torch.no_grad():
        parameter.add_(1.0)
    ema.update(stage, step=10_000)
    torch.testing.assert_close(ema.average[name], old + 0.5)


def test_calibration_fits_unmasked_frames(bank):
    stage = stage1(bank)
    stage.calibrate()
    frames = torch.cat([clip for clip in bank.clips]).permute(0, 3, 1, 2).float() / 255
    motion = stage.motion_encoder(stage.codec.encode(frames)).flatten(1)
    assert float(motion.detach().mean(0).abs().max()) < 0.1
    assert float((motion.detach().std(0) - 1).abs().max()) < 0.1


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory, bank):
    """A stage 1 model trained for a few steps."""
    folder = tmp_path_factory.mktemp("stage1")
    stage = stage1(bank)
    train(stage, 40, folder)
    config = PipelineConfig(SIZE, Flow("x", "high", 0.5), sampler_steps=1, motion_sampler_steps=2)
    SeMoPipeline(config, stage.codec, stage.motion_encoder, stage.decoder).save_pretrained(folder / "model")
    return folder / "model"


def test_stage1b_starts_at_the_image_model_and_trains_only_the_decoder(tmp_path, bank, pipeline_folder):
    pipeline = SeMoPipeline.from_pretrained(pipeline_folder)
    encoder = weights(pipeline.motion_encoder)
    stage = Stage1b(tiny(), pipeline, bank, 0)
    start = stage.eval().report()
    assert train(stage.train(), 30, tmp_path)["psnr"] >= start["psnr"] - 0.5
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in weights(pipeline.motion_encoder).items())
    assert any(block.gate.any() for block in stage.decoder.align)


def test_stage2_learns_from_the_sound(tmp_path, bank, pipeline_folder):
    pipeline = SeMoPipeline.from_pretrained(pipeline_folder)
    stage = Stage2(tiny("stage2.drop_audio=0.0"), pipeline, bank, 0)
    first = stage.eval().report()["explained"]
    assert train(stage.train(), 60, tmp_path)["explained"] > first + 0.1
    finished = stage.finished()
    assert finished.config.audio == "logmel" and finished.motion_generator is stage.motion_generator
    motion = torch.cat(stage.data.clean)
    torch.testing.assert_close(motion.mean(0), torch.zeros(1, 32), atol=1e-4, rtol=0)


def test_stage2_without_sound_is_refused(bank, pipeline_folder):
    silent = FrameBank([{name: clip.numpy() for name, clip in zip(bank.names, bank.clips, strict=True)}])
    with pytest.raises(ValueError, match="needs clips with sound"):
        Stage2(tiny(), SeMoPipeline.from_pretrained(pipeline_folder), silent, 0)


def test_reflow_brings_one_step_closer_to_the_teacher(tmp_path, bank, pipeline_folder):
    pipeline = SeMoPipeline.from_pretrained(pipeline_folder)
    stage = Reflow(tiny("reflow.lr=1.0e-3"), pipeline, bank, 0)
    before = stage.eval().report()["psnr_teacher"]
    assert train(stage.train(), 60, tmp_path)["psnr_teacher"] > before + 0.2


def test_reflow_of_the_generator_keeps_the_teachers_noise(bank, pipeline_folder):
    pipeline = SeMoPipeline.from_pretrained(pipeline_folder)
    preset = tiny()
    Stage2(preset, pipeline, bank, 0).finished()
    stage = ReflowGenerator(preset, pipeline, bank, 0)
    first, _ = stage.batch(0, 0.0)
    sampled = stage.flow.sample(
        lambda z, tau: pipeline.motion_generator(
            first.previous, z, first.reference, first.audio, tau, first.has_previous, first.has_audio
        ),
        first.noise,
        preset.reflow.teacher_steps,
    )
    torch.testing.assert_close(sampled, first.target, atol=1e-4, rtol=1e-4)


# the command


def shards(folder, bank: FrameBank):
    folder.mkdir()
    frames = np.stack([clip.numpy() for clip in bank.clips])
    np.savez(folder / "shard_0000.npz", frames=frames, identity=np.arange(len(frames)))
    return folder


def test_command_writes_a_complete_model_and_its_provenance(tmp_path, bank):
    data = shards(tmp_path / "data", bank)
    run = tmp_path / "run"
    main(["stage1", "--preset", "smoke", "--steps", "3", "--seed", "4", "--clips", str(data), "--out", str(run),
          "--set", *TINY, "--set", "motion_tokens=2", "motion_dim=8"])
    pipeline = SeMoPipeline.from_pretrained(run / "model")
    assert pipeline.config.training["stage1"]["steps"] == 3
    assert (pipeline.motion_encoder.config.motion_tokens, pipeline.motion_encoder.config.motion_dim) == (2, 8)
    assert json.loads((run / "config.json").read_text())["seed"] == 4
    assert not (run / "checkpoint.safetensors").exists()
    main(["stage1b", "--preset", "smoke", "--steps", "2", "--clips", str(data), "--out", str(tmp_path / "b"),
          "--init", str(run / "model"), "--set", *TINY, "motion_tokens=2", "motion_dim=8"])
    assert SeMoPipeline.from_pretrained(tmp_path / "b" / "model").config.video_frames == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stage1", "--set", "frame_size=64"], "prepared at 32 px and the preset works at 64 px"),
        (["stage1b"], "pass --init"),
        (["stage1", "--set", "motion_size=3"], "unknown key 'motion_size'"),
        (["stage1", "--init", "nowhere"], "not a SeMo model folder"),
    ],
)
def test_command_refuses_in_one_sentence(tmp_path, bank, arguments, sentence):
    data = shards(tmp_path / "data", bank)
    with pytest.raises(SystemExit) as stopped:
        main([arguments[0], "--set", *TINY, *arguments[1:], "--preset", "smoke", "--steps", "1",
              "--clips", str(data), "--out", str(tmp_path / "run")])
    assert sentence in str(stopped.value) and "\n" not in str(stopped.value)
    assert not (tmp_path / "run" / "model").exists()
