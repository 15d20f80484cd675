"""Tiny U-Nets of the reference-U-Net family and numbers for them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from baselines.aniportrait.pose_guider import PoseGuider
from baselines.blocks.reference_unet import DenoisingUNet, MotionConfig, ReferenceUNet, UNetConfig
from baselines.blocks.reference_unet.locator import FaceLocator
from baselines.blocks.reference_unet.projections import AudioProjection, ImageProjection

METHODS = ("hallo2", "aniportrait", "echomimic")
PLACES = 6
TINY = UNetConfig(
    in_channels=3, out_channels=3, widths=(8, 12), attention=(True, False), layers=1, heads=2, groups=4, token_dim=5,
    motion=MotionConfig(heads=2, places=PLACES),
)  # fmt: skip
SIDE = 4
EXACT = {"rtol": 1e-4, "atol": 1e-5}  # batches of other sizes round differently


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """No parameter is zero, so that every layer has a say."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
        parameter.data.normal_(0, spread, generator=generator).add_(parameter.dim() == 1)
    return network.eval()


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def networks(method: str) -> dict[str, nn.Module]:
    """Of a method, for frames twice the side of their latents; named as in its key lists."""
    unet = replace(TINY, audio_dim=5) if method == "hallo2" else TINY
    made: dict[str, nn.Module] = {
        "reference_unet": ReferenceUNet(unet.reference(**({"token_dim": None} if method == "echomimic" else {}))),
        "denoising_unet": DenoisingUNet(unet),
    }
    if method == "aniportrait":
        made["pose_guider"] = PoseGuider(unet.widths, (4, 4), heads=2, head_dim=4, groups=4)
    else:
        made["face_locator"] = FaceLocator(1 if method == "echomimic" else 3, (4, 4), unet.widths[0])
    if method == "hallo2":
        made["imageproj"] = ImageProjection(embedding_dim=6, width=5, tokens=4)
        made["audioproj"] = AudioProjection(features=5 * 1 * 4, hidden=6, width=5, tokens=3)
    return {name: randomised(network, seed) for seed, (name, network) in enumerate(made.items())}
