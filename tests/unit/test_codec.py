"""Codecs: round trips, what patch-PCA keeps, scale of the latents, saving."""

import os
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from semo.codec import load_codec, make_codec, save_codec
from semo.media import read_frames


def frames(count: int = 12, size: int = 16) -> torch.Tensor:
    """Smooth pictures in [0, 1]."""
    noise = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(size, size), mode="bilinear")


def test_pixel_codec_is_lossless():
    codec = make_codec("pixel", 16)
    x = frames()
    assert codec.encode(x).min() >= -1 and codec.encode(x).max() <= 1
    torch.testing.assert_close(codec.decode(codec.encode(x)), x, atol=1e-6, rtol=0)


def test_patch_pca_keeps_everything_at_full_rank_and_the_best_at_low_rank():
    x = frames(200)
    errors = []
    for rank in (3, 12, 48):
        codec = make_codec("patch-pca", 16, patch=4, rank=rank).fit(x)
        assert codec.encode(x).shape == (200, rank, 4, 4)
        errors.append(float((codec.decode(codec.encode(x)) - x).square().mean()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-8


def test_patch_pca_latents_have_unit_scale_and_orthonormal_basis():
    codec = make_codec("patch-pca", 16, patch=4, rank=12).fit(frames(200))
    torch.testing.assert_close(codec.basis.T @ codec.basis, torch.eye(12), atol=1e-5, rtol=0)
    assert float(codec.encode(frames(200)).square().mean()) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("kind", ["vae", "tiny"])
def test_diffusers_autoencoders(tmp_path, kind):
    torch.manual_seed(0)
    if kind == "vae":
        blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
        network = AutoencoderKL(block_out_channels=[8, 8], norm_num_groups=4, latent_channels=4, **blocks)
    else:
        sizes = {"encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8]}
        network = AutoencoderTiny(**sizes, num_encoder_blocks=[1, 1], num_decoder_blocks=[1, 1])
    network.save_pretrained(tmp_path / "weights")
    codec = make_codec(kind, 16, tmp_path / "weights").fit(frames())
    z = codec.encode(frames())
    assert z.shape == (12, codec.channels, codec.size, codec.size)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(codec.channels), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(codec.channels), atol=1e-3, rtol=0)
    out = codec.decode(z)
    assert out.shape == (12, 3, 16, 16) and 0 <= out.min() and out.max() <= 1
    save_codec(codec, tmp_path / "codec")
    torch.testing.assert_close(load_codec(tmp_path / "codec").encode(frames()), z)


@pytest.mark.parametrize("kind", ["pixel", "patch-pca"])
def test_saving(tmp_path, kind):
    codec = make_codec(kind, 16, patch=4, rank=6)
    if kind == "patch-pca":
        codec.fit(frames(50))
    save_codec(codec, tmp_path)
    torch.testing.assert_close(load_codec(tmp_path).encode(frames()), codec.encode(frames()))


def test_bad_codec_names_and_folders():
    with pytest.raises(ValueError, match="use one of pixel"):
        make_codec("jpeg", 16)
    with pytest.raises(ValueError, match="codec.path"):
        make_codec("vae", 16)
    with pytest.raises(FileNotFoundError, match="place a diffusers AutoencoderKL folder"):
        make_codec("vae", 16, "no/such/folder")


@pytest.mark.skipif("SEMO_WEIGHTS" not in os.environ or "SEMO_MEDIA" not in os.environ,
                    reason="SEMO_WEIGHTS and SEMO_MEDIA name no folders of networks and real clips")
def test_taef2_round_trip_on_a_real_face():
    """Its published round trip over eight faces is 32.5 dB, the worst of them 26.7 dB."""
    video = sorted((Path(os.environ["SEMO_MEDIA"]) / "real").glob("dhfv__*.mp4"))[0]
    frame = torch.from_numpy(read_frames(video, frames=1)[0]).permute(2, 0, 1)[None].float() / 255
    frame = torch.nn.functional.interpolate(frame, size=(256, 256), mode="area")
    codec = make_codec("taef2", 256, os.environ["SEMO_WEIGHTS"])
    z = codec.encode(frame)
    assert z.shape == (1, 32, 32, 32)
    assert -10 * torch.log10((codec.decode(z) - frame).square().mean()) > 28
