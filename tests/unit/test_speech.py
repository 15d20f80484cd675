"""The filter of noisy sound: known ratios, invariances, and real speech where it is at hand."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.datasets import SoundLimits
from semo.errors import DatasetError
from semo.media import read_audio
from semo.speech import FRAME, RATE, by_energy, make_activity, measure, objection

LIMITS = SoundLimits()
needs_media = pytest.mark.skipif("SEMO_MEDIA" not in os.environ or "SEMO_WEIGHTS" not in os.environ,
                                 reason="SEMO_MEDIA and SEMO_WEIGHTS are not set")


def babble(seconds: float = 6.0, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """float32: a voice-like buzz of 130 Hz in syllables of 0.2 s, 60 % of the time; silence between them."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 130 * k * time + rng.uniform(0, 6)) / k for k in range(1, 20))
    on = np.repeat(rng.permutation(np.arange(round(seconds * 5)) % 5 < 3), RATE // 5)[:len(time)]
    return (level * buzz / np.sqrt(np.mean(buzz ** 2)) * on).astype(np.float32)


def noise(like: np.ndarray, level: float, seed: int = 1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(len(like))).astype(np.float32)


@pytest.mark.parametrize("snr", [30, 20, 15])
def test_a_known_ratio_is_found(snr):
    voice = babble()
    quality = measure(voice + noise(voice, 0.1 / 10 ** (snr / 20)))
    assert quality.snr == pytest.approx(snr, abs=1.0)  # the edges of syllables lie inside frames
    assert quality.speech == pytest.approx(0.6, abs=0.08)


def test_more_noise_never_measures_as_less():
    voice = babble()
    measured = [measure(voice + noise(voice, level)).snr for level in (0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1)]
    assert measured == sorted(measured, reverse=True) and measured[0] == 60.0


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.2, 5), offset=st.floats(-0.2, 0.2), seed=st.integers(0, 5))
def test_loudness_and_offset_do_not_matter(gain, offset, seed):
    sound = babble(2.0, seed) + noise(babble(2.0, seed), 0.005)
    first, second = measure(sound), measure(gain * sound + offset)
    assert second.snr == pytest.approx(first.snr, abs=0.3) and second.speech == pytest.approx(first.speech, abs=0.04)


def test_objections_say_what_is_wrong():
    voice = babble()
    assert objection(voice + noise(voice, 0.002), LIMITS) is None
    assert objection(voice + noise(voice, 0.06), LIMITS) is not None
    for nothing in (0 * voice, 0 * voice + 0.5, noise(voice, 0.1), voice[:3], voice[:0]):
        assert objection(nothing, LIMITS).startswith("speech in only 0% of its sound, 25%")
    noisy = objection(voice + noise(voice, 0.0178), SoundLimits(40.0, 0.1))
    assert re.fullmatch(r"noisy sound: 1[3-6] dB over the noise, 40 are needed", noisy)


def test_frames_of_all_detectors_agree_in_number():
    for length in (0, FRAME - 1, FRAME, 5 * FRAME + 7):
        assert by_energy(babble(1.0)[:length]).shape == (length // FRAME,)
    with pytest.raises(DatasetError, match="unknown voice activity detector 'ear'"):
        make_activity("ear")


@needs_media
def test_silero_measures_white_noise_over_real_speech_exactly():
    speech = read_audio(Path(os.environ["SEMO_MEDIA"]) / "audio/dreamtalk__German1.wav", 0, 5)
    silero = make_activity("silero")
    active = silero(speech)
    power = np.mean(speech[:len(active) * FRAME].reshape(-1, FRAME)[active] ** 2)
    for snr in (20, 5):
        noisy = speech + noise(speech, float(np.sqrt(power / 10 ** (snr / 10))))
        assert measure(noisy, silero).snr == pytest.approx(snr, abs=1.0)
    assert np.array_equal(silero(speech), active)  # nothing is remembered from the clip before
    assert objection(speech, LIMITS, silero) is None


@needs_media
def test_real_speech_passes_and_noise_over_it_does_not():
    for name in ("dreamtalk__German1", "echomimic__walden", "sadtalker__RD_Radio40_000"):
        speech = read_audio(Path(os.environ["SEMO_MEDIA"]) / f"audio/{name}.wav", 0, 8)
        assert objection(speech, LIMITS) is None
        loud = float(np.sqrt(np.mean(speech ** 2)))
        assert objection(speech + noise(speech, loud), LIMITS) is not None
