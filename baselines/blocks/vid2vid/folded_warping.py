"""The warping module for inference alone: equal to the plain one up to rounding, in half the time.

    batch norms are folded into the convolutions before them;
    doubling and 3 x 3 x 3 convolution are one transposed convolution: 12 instead of 27 products;
    convolutions of full size are Winograd's in height and width, the 7 x 7 x 7 mask a product of spectra.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.fast import BlockwiseConv, best_step
from baselines.blocks.fft_conv import TILE, FFTConv3d
from baselines.blocks.vid2vid.hourglass3d import Hourglass3d
from baselines.blocks.vid2vid.translations import candidates
from baselines.blocks.vid2vid.warping import DenseMotion, Warped, WarpingModule, mixed, sample
from baselines.blocks.winograd import OUT, WinogradConv
from baselines.blocks.winograd3d import WinogradConv3d

LARGE = 32  # side in pixels from which the fewer products outweigh the transforms


@torch.no_grad()
def folded(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """A copy of the convolution with the batch norm after it inside."""
    conv = copy.deepcopy(conv).requires_grad_(False)
    scale = norm.weight.double() * torch.rsqrt(norm.running_var.double() + norm.eps)
    conv.weight.copy_(conv.weight.double() * scale.view(-1, *[1] * (conv.weight.ndim - 1)))
    conv.bias.copy_((conv.bias.double() - norm.running_mean.double()) * scale + norm.bias.double())
    return conv


class EnlargedConv3d(nn.Module):
    """3 x 3 x 3 convolution of a volume whose pixels are repeated twice in height and width, never in depth."""

    def __init__(self, conv: nn.Conv3d):
        super().__init__()
        # in one dimension taps (a, b, c) become (a, a + b, b + c, c), mirrored as a transposed convolution asks for
        spread = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float64)
        spread = spread.to(conv.weight.device)
        kernel = torch.einsum("ai,bj,ocdij->codab", spread, spread, conv.weight.detach().double()).flip(2)
        kernel = kernel.to(conv.weight).contiguous(memory_format=torch.channels_last_3d)
        self.register_buffer("weight", kernel)
        self.register_buffer("bias", conv.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose3d(x, self.weight, self.bias, stride=(1, 2, 2), padding=1)


class FoldedHourglass(nn.Module):
    def __init__(self, hourglass: Hourglass3d, side: int):
        super().__init__()
        encoder, decoder = hourglass.encoder, hourglass.decoder
        downs = [folded(block.conv, block.norm) for block in encoder.down_blocks]
        self.downs = nn.ModuleList(_quick(conv, side >> level) for level, conv in enumerate(downs))
        self.ups = nn.ModuleList(EnlargedConv3d(folded(block.conv, block.norm)) for block in decoder.up_blocks)
        self.last = _quick(folded(decoder.conv, decoder.norm), side)

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for conv in self.downs:
            skips.append(F.avg_pool3d(F.relu_(conv(skips[-1])), (1, 2, 2)))
        x = skips.pop()
        for conv in self.ups:
            x = torch.cat([F.relu_(conv(x)), skips.pop()], dim=1)
        return F.relu_(self.last(x))


def _quick(conv: nn.Conv3d, side: int) -> nn.Module:
    if side >= LARGE and side % OUT == 0 and conv.weight.device.type == "cpu":
        return WinogradConv3d(conv)
    return conv.to(memory_format=torch.channels_last_3d)


class FoldedDenseMotion(nn.Module):
    """`side`: of the volume in pixels."""

    def __init__(self, network: DenseMotion, side: int, depth: int):
        super().__init__()
        self.sampling = network.sampling
        self.compress = folded(network.compress, network.norm)
        self.hourglass = FoldedHourglass(network.hourglass, side)
        spectral = network.mask.kernel_size[0] > 3 and side % TILE == 0 and network.mask.weight.device.type == "cpu"
        self.mask = FFTConv3d(network.mask, depth) if spectral else copy.deepcopy(network.mask)
        step = best_step(network.occlusion)
        self.occlusion = BlockwiseConv(network.occlusion, step) if step > 1 else copy.deepcopy(network.occlusion)

    def forward(self, volume: Tensor, kp_driving: Tensor, kp_source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> mask (B, K + 1, D, H, W), deformation (B, D, H, W, 3), occlusion (B, 1, H, W)."""
        small = F.relu_(self.compress(volume))
        seen = candidates(small, kp_driving, kp_source, self.sampling.grid_sample)
        x = self.hourglass(seen.contiguous(memory_format=torch.channels_last_3d))
        mask = self.mask(x).softmax(1)
        return mask, mixed(mask, kp_source - kp_driving), torch.sigmoid(self.occlusion(x.contiguous().flatten(1, 2)))


class FoldedWarping(nn.Module):
    """A copy of the module for volumes of one side and depth, in eval mode; the module itself is not changed."""

    @torch.no_grad()
    def __init__(self, module: WarpingModule, side: int, depth: int):
        super().__init__()
        self.sampling = module.sampling
        self.dense_motion_network = FoldedDenseMotion(module.dense_motion_network, side, depth)
        third = folded(module.third.conv, module.third.norm)
        self.third = WinogradConv(third) if third.weight.device.type == "cpu" and side >= LARGE else third
        self.fourth, self.slope = copy.deepcopy(module.fourth), module.third.slope
        self.eval().requires_grad_(False)

    def forward(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Warped:
        mask, deformation, occlusion = self.dense_motion_network(volume, kp_driving, kp_source)
        x = sample(volume, deformation, self.sampling).contiguous(memory_format=torch.channels_last)
        x = self.fourth(F.leaky_relu_(self.third(x), self.slope))
        return Warped(x * occlusion, mask, deformation, occlusion)
