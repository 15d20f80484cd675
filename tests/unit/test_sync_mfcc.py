"""MFCC against python_speech_features."""

from __future__ import annotations

import numpy as np
import pytest

from semo.features.mfcc import mfcc, to_int16
from tests.syncnet import seeded

reference = pytest.importorskip("python_speech_features", reason="installed by the extra 'parity'")


@pytest.mark.parametrize("samples", [1, 2, 399, 400, 401, 560, 561, 640 * 7, 16000 * 3 + 17])
def test_equal_to_python_speech_features(samples: int) -> None:
    sound = seeded.sound(80)[:samples]
    expected = reference.mfcc(sound, 16000)
    assert mfcc(sound).shape == expected.shape
    np.testing.assert_allclose(mfcc(sound), expected, rtol=0, atol=1e-9)  # float64 sums in another order


def test_blocks_do_not_show(monkeypatch) -> None:
    sound = seeded.sound(30)
    whole = mfcc(sound)
    monkeypatch.setattr("semo.features.mfcc._BLOCK", 7)
    np.testing.assert_allclose(mfcc(sound), whole, rtol=0, atol=1e-12)


def test_silence_and_full_scale_are_finite() -> None:
    silence = np.zeros(3000, np.int16)
    np.testing.assert_allclose(mfcc(silence), reference.mfcc(silence, 16000), rtol=0, atol=1e-9)
    assert np.isfinite(mfcc(np.full(3000, -32768, np.int16))).all()


def test_int16_rounding_and_cut() -> None:
    assert to_int16(np.float32([0, 1, -1, 0.5 / 32768, 1.5 / 32768, 2])).tolist() == [0, 32767, -32768, 0, 2, 32767]
    sound = seeded.sound(3)
    np.testing.assert_array_equal(to_int16(sound / np.float32(32768)), sound)


@pytest.mark.parametrize("bad", [np.zeros(0, np.int16), np.zeros((2, 100), np.int16)])
def test_other_shapes_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="mono samples"):
        mfcc(bad)
