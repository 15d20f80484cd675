"""What the diffusion rivals open beside their own files, with small networks of the same kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.blocks.diffusion.codec import SCALING, StableDiffusionLatents
from baselines.blocks.diffusion.embedding import ARCFACE_POINTS, five_points
from baselines.blocks.diffusion.speech import Wav2Vec2Speech, WhisperSpeech
from tests.unit.test_masks import make_face

SOUND = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1


def test_wav2vec2_gives_all_layers_at_the_rate_of_the_video(tmp_path):
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (16,) * 7}
    config = Wav2Vec2Config(**small, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    Wav2Vec2Model(config).save_pretrained(tmp_path)
    speech = Wav2Vec2Speech(tmp_path, 25.0)
    made = speech.of(SOUND, 1.0).at(range(25))
    assert made.shape == (25, 12, 32) and torch.isfinite(made).all()
    assert speech.of(np.zeros(1, np.float32), 1 / 25).at([0]).isfinite().all()
    assert not torch.allclose(made[:, 0], made[:, 11])


def test_whisper_gives_all_states_before_the_last_norm(tmp_path):
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    config = WhisperConfig(d_model=32, encoder_layers=4, decoder_layers=1, encoder_attention_heads=2,
                           decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32)  # fmt: skip
    model = WhisperModel(config)
    torch.nn.init.constant_(model.encoder.layer_norm.weight, 7.0)  # would show in the last state
    model.save_pretrained(tmp_path)
    made = WhisperSpeech(tmp_path).of(SOUND, 1.0).at(range(50))
    assert made.shape == (50, 5, 32) and torch.isfinite(made).all()
    assert made[:, 4].std() < 3 * made[:, 3].std()


def test_latents_of_the_vae_are_scaled_means(tmp_path):
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    network = AutoencoderKL(**kinds, block_out_channels=(8,) * 4, norm_num_groups=4).eval()
    network.save_pretrained(tmp_path)
    codec, frames = StableDiffusionLatents(tmp_path, 64), torch.rand(2, 3, 64, 64)
    latents = codec.encode(frames)
    assert latents.shape == (2, codec.channels, codec.size, codec.size)
    with torch.no_grad():
        torch.testing.assert_close(latents, network.encode(frames * 2 - 1).latent_dist.mean * SCALING)
        torch.testing.assert_close(codec.decode(latents), network.decode(latents / SCALING).sample / 2 + 0.5)


@pytest.mark.parametrize("kind", ["wav2vec2-base-960h", "whisper-tiny", "VAE"])
def test_absent_networks_are_named(kind, tmp_path):
    opened = {"wav2vec2-base-960h": lambda p: Wav2Vec2Speech(p, 25.0), "whisper-tiny": WhisperSpeech,
              "VAE": lambda p: StableDiffusionLatents(p, 64)}[kind]  # fmt: skip
    with pytest.raises(ValueError, match=f"no {kind} in nowhere"):
        opened(tmp_path / "nowhere")


def test_five_points_lie_as_arcface_wants_them():
    points = five_points(make_face())
    assert points.shape == ARCFACE_POINTS.shape
    assert points[3, 0] != points[4, 0] and np.isfinite(points).all()
