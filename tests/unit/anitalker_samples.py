"""Networks, portraits and sound for the tests of AniTalker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from baselines.anitalker import method as behind
from baselines.anitalker.config import SIZES, Config, build
from baselines.anitalker.predictor import Sizes
from baselines.method import ClipContext

CONTEXT = ClipContext("clip", 3)
DOUBLE = torch.float64
MINI = SIZES["mini"]
TINY = replace(MINI.motion, width=16, part=4, adapter=4, speech_blocks=1, motion_blocks=1)


def tiny(**changes: Any) -> Sizes:
    return replace(TINY, **changes)


def networks(dtype: torch.dtype = torch.float32, config: Config = MINI) -> dict[str, nn.Module]:
    """Noise in the layers that start at zero, so that nothing is idle."""
    torch.manual_seed(0)
    modules = build(config)
    with torch.no_grad():
        for module in modules.values():
            for value in module.parameters():
                value.add_(0.05 * torch.randn_like(value))
    return {name: module.eval().to(dtype) for name, module in modules.items()}


def portrait(size: tuple[int, int] = (64, 64), phase: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]] / 64
    return np.stack([127 + 120 * np.sin(5 * x + 3 * y + p + phase) for p in (0, 1, 2)], axis=-1).astype(np.uint8)


def voice(frames: int, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades, float32 16 kHz."""
    time = np.arange(frames * 640) / 16000
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.1 * noise * np.sin(6 * time) ** 2).astype(np.float32)


def tiny_hubert(folder: Path) -> Path:
    """A HuBERT of two narrow layers as transformers writes it, in a folder below; returns that."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, do_stable_layer_norm=True,
        feat_extract_norm="layer",
    )  # fmt: skip
    folder = folder / behind.HUBERT
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder
