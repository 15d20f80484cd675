"""The face renderer: a volume of the source's features, warped by keypoints, painted by a decoder (section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.blocks.vid2vid.appearance import AppearanceExtractor
from baselines.blocks.vid2vid.folded_spade import FoldedSpadeDecoder
from baselines.blocks.vid2vid.folded_warping import FoldedWarping
from baselines.blocks.vid2vid.spade import SpadeDecoder
from baselines.blocks.vid2vid.warping import Warped, WarpingModule


@dataclass(frozen=True)
class Rendered:
    """`image` (B, 3, S, S) in [0, 1] and the warp that it was painted from."""

    image: Tensor
    warped: Warped


class FaceRenderer(nn.Module):
    """Extractor, warping and decoder. In the released file the layers of the first two have no names around them."""

    def __init__(self, appearance: AppearanceExtractor, warping: WarpingModule, decoder: SpadeDecoder):
        super().__init__()
        for part in (appearance, warping):
            for name, layer in part.named_children():
                self.add_module(name, layer)
        self.decoder = decoder
        self.parts = appearance, warping  # a tuple is not registered: their layers already are

    def volume(self, source: Tensor) -> Tensor:
        """Picture (B, 3, S, S) -> (B, C, D, h, w)."""
        return self.parts[0](source)

    def forward(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Rendered:
        """Volume (1 or B, C, D, h, w) and keypoints (1 or B, K, 3) of source and frames."""
        warped = self.parts[1](volume, kp_source, kp_driving)
        return Rendered(self.decoder(warped.out), warped)


class FastRenderer(nn.Module):
    """A copy for inference alone, equal up to rounding: see `folded_warping` and `folded_spade`."""

    @torch.no_grad()
    def __init__(self, renderer: FaceRenderer, frame_size: int):
        super().__init__()
        appearance, warping = renderer.parts
        side = frame_size >> len(appearance.down_blocks)
        self.warping = FoldedWarping(warping, side, appearance.depth)
        self.decoder = FoldedSpadeDecoder(renderer.decoder)

    def forward(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Rendered:
        warped = self.warping(volume, kp_source, kp_driving)
        return Rendered(self.decoder(warped.out), warped)
