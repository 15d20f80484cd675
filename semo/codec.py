"""Codecs: frames in [0, 1] <-> standardised latents that the networks work on (paper section 3.1).

Every codec encodes (B, 3, S, S) float frames into (B, c, h, w) latents of about unit scale and decodes them back.
`light` codecs are cheap enough to encode inside the training loop, after augmentation; the latents of the others are
computed once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semo.model.layers import patchify, unpatchify
from semo.tiny_autoencoder import TinyAutoencoder


class PixelCodec(nn.Module):
    """Frames themselves, scaled to [-1, 1]: no loss, no weights; the patches of the networks do the compression."""

    kind, light = "pixel", True

    def __init__(self, frame_size: int):
        super().__init__()
        self.settings = {"frame_size": frame_size}
        self.channels, self.size = 3, frame_size

    def encode(self, frames: Tensor) -> Tensor:
        return frames * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)


class PatchPCACodec(nn.Module):
    """Orthonormal projection of each p x p patch on its `rank` principal components, with one global scale."""

    kind, light = "patch-pca", True

    def __init__(self, frame_size: int, patch: int = 8, rank: int = 48):
        super().__init__()
        self.settings = {"frame_size": frame_size, "patch": patch, "rank": rank}
        self.patch, self.channels, self.size = patch, rank, frame_size // patch
        self.register_buffer("mean", torch.zeros(3 * patch * patch))
        self.register_buffer("basis", torch.eye(3 * patch * patch)[:, :rank].contiguous())
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, frames: Tensor) -> PatchPCACodec:
        """Principal components of the patches of frames (B, 3, S, S) in [0, 1]."""
        patches = patchify(frames.double(), self.patch).flatten(0, 1)
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        self.mean.copy_(mean)
        self.basis.copy_(vectors.flip(1)[:, : self.channels])
        self.scale.copy_(values.flip(0)[: self.channels].mean().rsqrt())
        return self

    def encode(self, frames: Tensor) -> Tensor:
        codes = (patchify(frames, self.patch) - self.mean) @ self.basis * self.scale
        return unpatchify(codes, self.channels, 1, self.size, self.size)

    def decode(self, latents: Tensor) -> Tensor:
        patches = patchify(latents, 1) / self.scale @ self.basis.T + self.mean
        return unpatchify(patches, 3, self.patch, self.size, self.size).clamp(0, 1)


class AutoencoderCodec(nn.Module):
    """A pretrained autoencoder: 'vae' is AutoencoderKL (Stable Diffusion's VAE, the paper's), 'tiny' AutoencoderTiny
    (TAESD), both through diffusers, 'taef2' the tiny one with 32 channels.

    Latents are the posterior mean (a cached sample would freeze its noise), standardised per channel with statistics
    measured on the training frames.
    """

    light = False

    def __init__(self, frame_size: int, kind: str, path: str | Path):
        super().__init__()
        self.kind = kind
        self.network = TinyAutoencoder.from_folder(path) if kind == "taef2" else _from_diffusers(kind, path)
        self.settings = {"frame_size": frame_size, "path": str(path)}
        self.requires_grad_(False).eval()
        with torch.no_grad():
            shape = self._raw(torch.zeros(1, 3, frame_size, frame_size)).shape
        self.channels, self.size = shape[1], shape[-1]
        self.register_buffer("mean", torch.zeros(self.channels, 1, 1))
        self.register_buffer("std", torch.ones(self.channels, 1, 1))

    def _raw(self, frames: Tensor) -> Tensor:
        if self.kind == "vae":
            return self.network.encode(frames * 2 - 1).latent_dist.mean
        if self.kind == "tiny":
            return self.network.encode(frames * 2 - 1).latents
        return self.network.encode(frames)

    @torch.no_grad()
    def fit(self, frames: Tensor) -> AutoencoderCodec:
        """Per-channel statistics of the latents of frames (B, 3, S, S) in [0, 1]."""
        raw = torch.cat([self._raw(chunk) for chunk in frames.split(8)])
        self.mean.copy_(raw.mean((0, 2, 3))[:, None, None])
        self.std.copy_(raw.std((0, 2, 3)).clamp(min=1e-6)[:, None, None])
        return self

    def standardise(self, mean: Tensor, std: Tensor) -> AutoencoderCodec:
        """Per-channel statistics (c,) measured elsewhere, in place of `fit`."""
        self.mean.copy_(mean[:, None, None])
        self.std.copy_(std.clamp(min=1e-6)[:, None, None])
        return self

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        return (self._raw(frames) - self.mean) / self.std

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        raw = self.network.decode(latents * self.std + self.mean)
        return (raw if self.kind == "taef2" else raw.sample / 2 + 0.5).clamp(0, 1)


def _from_diffusers(kind: str, path: str | Path) -> nn.Module:
    from diffusers import AutoencoderKL, AutoencoderTiny

    network = {"vae": AutoencoderKL, "tiny": AutoencoderTiny}[kind]
    try:
        return network.from_pretrained(path, local_files_only=Path(path).is_dir())
    except OSError as error:
        raise FileNotFoundError(
            f"codec {kind}: no weights at {path}; place a diffusers {network.__name__} folder there"
        ) from error


Codec = PixelCodec | PatchPCACodec | AutoencoderCodec
KINDS = ("pixel", "patch-pca", "vae", "tiny", "taef2")


def make_codec(kind: str, frame_size: int, path: str | Path | None = None, patch: int = 8, rank: int = 48) -> Codec:
    """A codec of the given kind, before `fit`; `path` is the weights folder of the pretrained ones."""
    if kind == "pixel":
        return PixelCodec(frame_size)
    if kind == "patch-pca":
        return PatchPCACodec(frame_size, patch, rank)
    if kind in ("vae", "tiny", "taef2"):
        if path is None:
            raise ValueError(f"codec {kind} needs the folder of its weights: set codec.path")
        return AutoencoderCodec(frame_size, kind, path)
    raise ValueError(f"codec is {kind!r}; use one of {', '.join(KINDS)}")


def save_codec(codec: Codec, folder: Path) -> None:
    """Settings and own statistics; the weights of a pretrained autoencoder stay where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "codec.json").write_text(json.dumps({"kind": codec.kind, **codec.settings}, indent=1) + "\n")
    own = {name: tensor.contiguous() for name, tensor in codec.named_buffers() if not name.startswith("network.")}
    if own:
        save_file(own, folder / "codec.safetensors")


def load_codec(folder: Path) -> Codec:
    """The codec saved in `folder`; SEMO_CODEC overrides the folder of pretrained weights."""
    settings = json.loads((folder / "codec.json").read_text())
    kind = settings.pop("kind")
    if "path" in settings:
        settings["path"] = os.environ.get("SEMO_CODEC", settings["path"])
    codec = make_codec(kind, **settings)
    if (folder / "codec.safetensors").exists():
        codec.load_state_dict(load_file(folder / "codec.safetensors"), strict=False)
    return codec


