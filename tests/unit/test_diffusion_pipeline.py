"""The shared pipeline of the reference-U-Net rivals: windows, sampler, speech, masks, with a toy denoiser."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from baselines.blocks.diffusion import Sampling, denoised, frame_noise, sample_overlapping, windows
from baselines.blocks.diffusion.codec import PatchLatents, decoded
from baselines.blocks.diffusion.speech import LogMelSpeech, Speech
from baselines.blocks.reference_unet import ddim

SHAPE = (2, 4, 4)
SAMPLING = Sampling(steps=6, guidance=1.0, context=12, overlap=3)


class Toy:
    """Its v pulls towards the mean of the window and a wave over the clip; every call is written down."""

    def __init__(self):
        self.calls: list[tuple[int, range, int]] = []

    def __call__(self, latent: Tensor, timestep: int, frames: range, unconditional: Tensor | None) -> Tensor:
        self.calls.append((timestep, frames, len(latent)))
        wave = torch.sin(torch.tensor([0.3 * frame for frame in frames])).view(1, 1, -1, 1, 1)
        told = 1.0 if unconditional is None else (~unconditional).float().view(-1, 1, 1, 1, 1)
        return 0.3 * latent - 0.5 * latent.mean(2, keepdim=True) - told * wave


def whole_clip(frames: int, seed: int, sampling: Sampling) -> Tensor:
    """All frames of a step together, as the papers' pipelines do it."""
    noise, toy, scheduler = frame_noise(seed, SHAPE), Toy(), ddim(sampling.steps)
    latents = torch.stack([noise(frame) for frame in range(frames)])
    for timestep in scheduler.timesteps:
        total, count = torch.zeros_like(latents), torch.zeros(frames, 1, 1, 1)
        for span in windows(frames, sampling.context, sampling.overlap):
            part = slice(span.start, span.stop)
            total[part] += toy(latents[part].transpose(0, 1)[None], timestep, span, None)[0].transpose(0, 1)
            count[part] += 1
        latents = scheduler.step(total / count, timestep, latents).prev_sample
    return latents


@given(st.integers(1, 300), st.integers(1, 24), st.data())
def test_windows_cover_every_frame_and_share_what_they_should(frames, length, data):
    overlap = data.draw(st.integers(0, length - 1))
    spans = windows(frames, length, overlap)
    assert spans[0].start == 0 and spans[-1].stop == frames
    assert {len(span) for span in spans} == {min(length, frames)}
    shared = [first.stop - second.start for first, second in zip(spans, spans[1:])]
    assert all(overlap <= count < length for count in shared)
    assert not shared or max(shared) - min(shared) <= 1
    assert len(spans) == 1 or len(spans) - 1 < (frames - length) / (length - overlap) + 1  # none too many


def test_overlap_that_stands_still_is_refused():
    with pytest.raises(ValueError, match="windows of 4 frames cannot share 4"):
        windows(9, 4, 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_streamed_sampler_equals_the_whole_clip(frames, context, data):
    sampling = Sampling(3, 1.0, context, data.draw(st.integers(0, context - 1)))
    made = torch.stack(list(sample_overlapping(Toy(), frame_noise(5, SHAPE), frames, sampling)))
    torch.testing.assert_close(made, whole_clip(frames, 5, sampling), rtol=0, atol=1e-6)


def test_a_long_clip_is_made_in_bounded_memory_and_without_seams():
    alive, most = 0, 0
    noise = frame_noise(1, SHAPE)

    def counted(frame: int) -> Tensor:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return noise(frame)

    made = []
    for latent in islice(sample_overlapping(Toy(), counted, 100_000, SAMPLING), 2000):
        alive -= 1
        made.append(latent)
    assert most <= SAMPLING.steps * SAMPLING.context + SAMPLING.context
    jumps = (torch.stack(made[1:]) - torch.stack(made[:-1])).abs().mean((1, 2, 3))
    inside = jumps.median()
    assert jumps.max() < 2 * inside  # a seam every 9 frames would stand out


def test_noise_of_a_frame_is_its_own():
    noise = frame_noise(3, SHAPE)
    torch.testing.assert_close(noise(7), frame_noise(3, SHAPE)(7), rtol=0, atol=0)
    assert not torch.equal(noise(7), noise(8)) and not torch.equal(noise(7), frame_noise(4, SHAPE)(7))
    assert not torch.equal(noise(7), frame_noise(3, SHAPE, stream=1)(7))


def test_without_guidance_the_network_runs_once():
    once, twice = Toy(), Toy()
    frames = range(5)
    latent = torch.stack([frame_noise(0, SHAPE)(frame) for frame in frames])
    plain = denoised(once, latent, frames, SAMPLING)
    strong = denoised(twice, latent, frames, SAMPLING.changed({"guidance": 2.0}))
    assert {rows for *_, rows in once.calls} == {1} and {rows for *_, rows in twice.calls} == {2}
    assert len(once.calls) == len(twice.calls) == SAMPLING.steps
    assert not torch.allclose(plain, strong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "from 1 to 1000 steps, not 0"),
        ({"steps": "many"}, "the option steps is a number"),
        ({"guidance": 0.5}, "guidance is 1"),
        ({"context": 3}, "windows of 3 frames cannot share 3"),
    ],
)
def test_options_without_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SAMPLING.changed(options)


def test_options_that_are_not_set_change_nothing():
    assert SAMPLING.changed({"steps": None, "other": 3}) == SAMPLING
    assert SAMPLING.changed({"overlap": 0, "steps": 9}) == Sampling(9, 1.0, 12, 0)


def test_latents_of_a_toy_codec_have_unit_variance_and_come_back():
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(40, 3, 8, 8, generator=generator), size=32, mode="bilinear")
    for flatten in (0.0, 1.0):
        codec = PatchLatents(32, 8, 192, flatten).fit(smooth)
        latents = codec.encode(smooth)
        assert latents.shape == (40, 192, 4, 4)
        torch.testing.assert_close(codec.decode(latents), smooth, rtol=0, atol=1e-3)
    small = PatchLatents(32, 8, 24, 0.5).fit(smooth)
    assert small.encode(smooth).std((0, 2, 3)).square().mean().sqrt() == pytest.approx(1, abs=1e-3)


def test_frames_are_decoded_as_they_are_asked_for():
    codec, asked = PatchLatents(8, 8, 3), []

    def latents():
        for frame in range(100):
            asked.append(frame)
            yield torch.zeros(3, 1, 1)

    assert len(list(islice(decoded(latents(), codec, at_once=4), 6))) == 6
    assert len(asked) == 8


class Pieces(Speech):
    """A vector holds the mean of its samples; pieces of one second."""

    rate, layers, width, piece = 10.0, 1, 1, 1.0

    def __init__(self):
        self.encoded = 0

    def encode(self, waveform: np.ndarray, vectors: int) -> Tensor:
        self.encoded += 1
        return torch.from_numpy(waveform).view(vectors, -1).mean(1)[:, None, None]


def test_speech_is_heard_piece_by_piece_and_ends_in_silence():
    speech = Pieces()
    wave = np.repeat(np.arange(25, dtype=np.float32), 1600)  # 2.5 s
    track = speech.of(wave, 3.3)
    assert track.total == 33 and speech.encoded == 0
    assert track.at([0, 9, 10, 24, 25, 32]).flatten().tolist() == [0, 9, 10, 24, 0, 0]
    assert track.at([-3, 99]).flatten().tolist() == [0, 0]  # beyond the ends: the first, the last
    assert speech.encoded == 5  # the first piece was forgotten in favour of three later ones
    assert track.around([11], 2, 3).flatten().tolist() == [9, 10, 11, 12, 13]


def test_sound_of_one_frame_and_silence_have_features():
    for wave in (np.zeros(0, np.float32), np.zeros(640, np.float32), np.ones(3, np.float32)):
        made = LogMelSpeech().of(wave, 1 / 25).around([0], 4, 6)
        assert made.shape == (1, 10, 1, 80) and torch.isfinite(made).all()
