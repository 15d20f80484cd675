"""The pipeline: invariance to batch size, streaming, saving, and what it refuses."""

import numpy as np
import pytest
import torch

from semo import pipeline as pipeline_module
from semo.codec import make_codec
from semo.flow import Flow
from semo.model import Decoder, MotionEncoder, MotionGenerator
from semo.pipeline import PipelineConfig, SeMoPipeline, released

SIZE = 32


def random_pipeline(temporal: str = "none", generator: bool = True) -> SeMoPipeline:
    """Random weights large enough that every input shows in the output."""
    torch.manual_seed(0)
    common = {"channels": 3, "size": SIZE, "patch": 8, "width": 32, "depth": 2, "heads": 2}
    motion = {"motion_tokens": 2, "motion_dim": 8}
    networks = [
        MotionEncoder(**common, **motion),
        Decoder(**common, **motion, motion_in_adaln=True, gate_init=1.0, temporal=temporal),
        MotionGenerator(2, 8, 80, width=32, depth=1, heads=2, previous=4, window=8) if generator else None,
    ]
    for network in networks:
        for parameter in network.parameters() if network else ():
            parameter.data += 0.1 * torch.randn_like(parameter)
    flow = Flow("x", "high", 0.5)
    config = PipelineConfig(SIZE, flow, Flow("x"), 2, 2, 4 if temporal != "none" else 1, "logmel")
    stats = (torch.zeros(2, 8), torch.ones(2, 8))
    made = SeMoPipeline(config, make_codec("pixel", SIZE), *networks, stats if generator else None)
    return made.to("cpu")


def video(frames: int = 11, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (frames, size, size, 3), np.uint8)


def sound(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


@pytest.mark.parametrize("mask_ratio", [0.0, 0.9])
def test_frames_do_not_depend_on_the_batch(mask_ratio):
    made, frames = random_pipeline(), video()
    whole = np.stack(list(made.reconstruct(frames[0], frames, seed=3, mask_ratio=mask_ratio, batch=11)))
    parts = np.stack(list(made.reconstruct(frames[0], iter(frames), seed=3, mask_ratio=mask_ratio, batch=3)))
    assert whole.shape == (11, SIZE, SIZE, 3) and whole.dtype == np.uint8
    assert np.abs(whole.astype(int) - parts).max() <= 1  # rounding of differently blocked matrix products


def test_seed_decides_the_noise():
    made, frames = random_pipeline(), video(3)
    runs = [np.stack(list(made.reconstruct(frames[0], frames, seed=s))) for s in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 11])
def test_video_windows_give_every_frame_once(frames):
    made = random_pipeline("axial")
    out = np.stack(list(made.reconstruct(video()[0], video(frames), batch=16)))
    assert out.shape == (frames, SIZE, SIZE, 3)


def test_closed_align_blocks_leave_the_image_result():
    image, made = random_pipeline(), random_pipeline("axial")
    made.motion_encoder.load_state_dict(image.motion_encoder.state_dict())
    made.decoder.load_state_dict(image.decoder.state_dict(), strict=False)
    for block in made.decoder.align:
        block.init_identity()
    frames = video(9)
    a, b = (np.stack(list(p.reconstruct(frames[0], frames, seed=1))) for p in (image, made))
    assert np.abs(a.astype(int) - b).max() <= 1


def test_talking_streams_windows_and_covers_the_sound():
    made = random_pipeline()
    whole = np.stack(list(made.talk(video()[0], sound(1.0), seed=5)))
    assert whole.shape == (25, SIZE, SIZE, 3)
    stream = made.stream(video()[0], sound(1.0), seed=5)
    assert np.array_equal(next(stream), whole[0])
    assert len(list(made.talk(video()[0], sound(0.01)))) == 1
    assert len(list(made.talk(video()[0], sound(0.2), frames=13))) == 13


def test_first_window_knows_nothing_of_later_sound():
    """Windows of 8 frames: the first one hears 8 frames and the features' own reach of a frame."""
    made, a = random_pipeline(), sound(1.0)
    b = a.copy()
    b[16000 * 12 // 25 :] = 0
    first = [np.stack(list(made.talk(video()[0], x, seed=5)))[:8] for x in (a, b)]
    assert np.array_equal(*first)


def test_sources_of_any_size_are_resized():
    made = random_pipeline()
    assert next(made.reconstruct(video(1, 100)[0], video(1, 48))).shape == (SIZE, SIZE, 3)
    assert made.encode_decode(video(2)).shape == (2, SIZE, SIZE, 3)
    assert np.abs(made.encode_decode(video(2)).astype(int) - video(2)).max() <= 1


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_saving_and_loading(tmp_path, dtype):
    made, frames = random_pipeline("axial"), video(4)
    made.save_pretrained(tmp_path / "model", dtype)
    again = SeMoPipeline.from_pretrained(tmp_path / "model")
    assert again.config == made.config
    a, b = (np.stack(list(p.reconstruct(frames[0], frames))).astype(int) for p in (made, again))
    assert np.abs(a - b).max() <= (0 if dtype is None else 6)  # half precision keeps 11 bits of each weight
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert not list(tmp_path.rglob("*.bin")) and list(tmp_path.rglob("*.safetensors"))
    again.save_pretrained(tmp_path / "again")
    assert not any(str(tmp_path) in path.read_text() for path in (tmp_path / "again").rglob("*.json"))


def test_full_disk_leaves_the_old_model(tmp_path, monkeypatch):
    made = random_pipeline()
    made.save_pretrained(tmp_path / "model")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline_module, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        made.save_pretrained(tmp_path / "model")
    assert SeMoPipeline.from_pretrained(tmp_path / "model").config == made.config


def test_refusals_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="it has no pipeline.json"):
        SeMoPipeline.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has no motion generator"):
        next(random_pipeline(generator=False).talk(video()[0], sound()))
    random_pipeline().save_pretrained(tmp_path / "a")
    config = tmp_path / "a" / "motion_encoder" / "config.json"
    config.write_text(config.read_text().replace('"width": 32', '"width": 64'))
    with pytest.raises(ValueError, match="weights and configuration disagree"):
        SeMoPipeline.from_pretrained(tmp_path / "a")


def test_missing_released_weights_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline_module, "RELEASED", tmp_path)
    with pytest.raises(FileNotFoundError, match="make reproduce"):
        released()
