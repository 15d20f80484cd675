import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.audio import HOP, LogMel, Whisper, make_audio_encoder, mel_filters


def tone(seconds: float, hz: float = 440.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * 16000)) / 16000)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(0, 5000), frames=st.integers(1, 20))
def test_two_vectors_per_frame_for_any_length(samples, frames):
    features = LogMel().encode(tone(1.0)[:samples], frames)
    assert features.shape == (2 * frames, 80) and features.dtype == np.float32 and np.isfinite(features).all()


def test_vectors_lie_where_the_sound_is():
    wave = np.zeros(16000, np.float32)
    wave[8000:8320] = tone(0.02, 1000.0)
    loud = LogMel().encode(wave, 25).max(axis=1)
    assert loud.argmax() in (25, 26) and loud[:24].max() == loud[28:].max() == pytest.approx(-1.14, abs=0.01)


def test_a_tone_peaks_in_its_mel_bin():
    filters = mel_filters()
    expected = filters[round(2000 / 16000 * 512)].argmax()
    assert abs(int(LogMel().encode(tone(1.0, 2000.0), 25)[20].argmax()) - expected) <= 1


def test_mel_filters_equal_those_of_transformers():
    from transformers.audio_utils import mel_filter_bank

    theirs = mel_filter_bank(257, 80, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filters(), theirs, atol=1e-9)


def test_silence_and_padding_are_the_same():
    encoder = LogMel()
    np.testing.assert_array_equal(encoder.encode(np.zeros(0, np.float32), 3), encoder.encode(np.zeros(9999), 3))


def test_wrong_waveforms_are_refused():
    encoder = LogMel()
    with pytest.raises(ValueError, match="mono"):
        encoder.encode(np.zeros((2, 100), np.float32), 3)
    with pytest.raises(ValueError, match="NaN"):
        encoder.encode(np.full(100, np.nan, np.float32), 3)
    with pytest.raises(ValueError, match="at least one frame"):
        encoder.encode(np.zeros(100, np.float32), 0)


def test_unknown_encoder_and_missing_weights(tmp_path):
    with pytest.raises(ValueError, match="unknown audio encoder 'mfcc'"):
        make_audio_encoder("mfcc")
    with pytest.raises(ValueError, match="needs a folder"):
        make_audio_encoder("whisper")
    with pytest.raises(ValueError, match="no Whisper model"):
        make_audio_encoder("whisper", tmp_path / "absent")
    assert make_audio_encoder("logmel").dim == 80


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory):
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    config = WhisperConfig(vocab_size=64, num_mel_bins=80, d_model=16, encoder_layers=1, decoder_layers=1,
                           encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
                           decoder_ffn_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                           decoder_start_token_id=1, max_target_positions=8)
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


def test_whisper_from_a_local_folder(whisper_folder):
    encoder = make_audio_encoder("whisper", whisper_folder)
    assert isinstance(encoder, Whisper) and encoder.dim == 16
    wave = tone(2.0)
    features = encoder.encode(wave, 50)
    assert features.shape == (100, 16) and np.isfinite(features).all() and features.std() > 0
    np.testing.assert_array_equal(features, encoder.encode(wave, 50))


def test_whisper_works_in_chunks_of_thirty_seconds(whisper_folder):
    encoder = make_audio_encoder("whisper", whisper_folder)
    wave = np.concatenate([tone(30.0), tone(1.0, 900.0)])
    features = encoder.encode(wave, 775)
    assert features.shape == (1550, 16)
    np.testing.assert_allclose(features[:1500], encoder.encode(wave[:1500 * HOP], 750), atol=1e-5)
    np.testing.assert_allclose(features[1500:], encoder.encode(wave[1500 * HOP:], 25), atol=1e-5)
