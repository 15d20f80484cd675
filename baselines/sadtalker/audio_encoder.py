"""The encoder of mel patches that ExpNet and PoseVAE each have: Wav2Lip's (Prajwal et al., ACM MM 2020)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

BINS, COLUMNS = 80, 16  # of a patch: mel bins, columns of 1/80 s
HALVINGS = (None, (3, 1), 3, (3, 2))  # stride into each width; 80 x 16 ends as 3 x 3
RESIDUALS = (2, 2, 2, 1)  # blocks that keep their width after each


class AudioBlock(nn.Module):
    """Convolution, batch norm, the input again where `residual`, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int | tuple[int, int] = 1, padding: int = 0,
                 residual: bool = False):  # fmt: skip
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return F.relu_(y + x if self.residual else y)


def audio_encoder(width: int) -> nn.Sequential:
    """(B, 1, 80, 16) -> (B, 16 * `width`, 1, 1); published with width 32."""
    blocks: list[nn.Module] = []
    channels = 1
    for level, (stride, count) in enumerate(zip(HALVINGS, RESIDUALS, strict=True)):
        blocks.append(AudioBlock(channels, width << level, 3, stride or 1, padding=1))
        channels = width << level
        blocks += [AudioBlock(channels, channels, 3, padding=1, residual=True) for _ in range(count)]
    blocks += [AudioBlock(channels, 2 * channels, 3), AudioBlock(2 * channels, 2 * channels, 1)]
    return nn.Sequential(*blocks)


def encode(encoder: nn.Sequential, mel: Tensor) -> Tensor:
    """Patches (..., 1, 80, 16) -> (..., 16 * width)."""
    leading = mel.shape[:-3]
    return encoder(mel.flatten(0, -4)).flatten(1).unflatten(0, leading)
