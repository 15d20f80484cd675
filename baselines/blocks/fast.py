"""Networks for inference: the same mathematics with fewer operations and fewer passes over memory.

`accelerate` returns a copy of a network in which
    batch norm is folded into the convolution before it (and the norm of a residual block into its first convolution);
    nearest-neighbour doubling and 3 x 3 convolution are one transposed 4 x 4 convolution: 16 instead of 36 products;
    3 x 3 convolutions of many channels are Winograd's F(4 x 4, 3 x 3): 36 instead of 144 products;
    7 x 7 convolutions to very few channels make blocks of output pixels at once, so that vector units are filled;
    tensors are channels last.
Outputs agree to rounding: the goldens' tolerances hold for the accelerated networks too (tests/parity).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks.conv import ResBlock, UpBlock
from baselines.blocks.winograd import WinogradConv

VECTOR = 16  # float32 numbers of a vector register: fewer output channels than this leave it partly idle
WINOGRAD_CHANNELS = 192  # below, the transforms cost more than the products they save


def accelerate(network: nn.Module, winograd: bool = True) -> nn.Module:
    """A copy of `network` in eval mode for inference. `winograd`: False on a GPU, whose library has its own."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    _replace_parts(network, winograd)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _replace_parts(module: nn.Module, winograd: bool) -> None:
    for conv, norm in _pairs(module):
        folded, rest = fold(module.get_submodule(conv), module.get_submodule(norm))
        setattr(module, conv, folded)
        setattr(module, norm, rest)
    for name, child in module.named_children():
        if isinstance(child, UpBlock):
            setattr(module, name, FastUp(child))
        elif isinstance(child, nn.Conv2d) and best_step(child) > 1:
            setattr(module, name, BlockwiseConv(child, best_step(child)))
        elif isinstance(child, nn.Conv2d) and isinstance(module, ResBlock) and winograd:
            if child.in_channels >= WINOGRAD_CHANNELS:
                setattr(module, name, WinogradConv(child))
        else:
            _replace_parts(child, winograd)


def _pairs(module: nn.Module) -> Iterable[tuple[str, str]]:
    """Names of the convolutions of a block and of the norm that follows each."""
    if isinstance(module, nn.Sequential):
        names = [name for name, _ in module.named_children()]
        pairs = zip(names, names[1:], strict=False)
        return [(a, b) for a, b in pairs if isinstance(module.get_submodule(a), nn.Conv2d)]
    return getattr(module, "folds", ())


def fold(conv: Any, norm: Any) -> tuple[Any, nn.Module]:
    """The pair `conv`, `norm` as one convolution and what is left of the norm; instance norm cannot be folded."""
    if not isinstance(norm, nn.BatchNorm2d):
        return conv, norm
    scale = norm.weight.double() * torch.rsqrt(norm.running_var.double() + norm.eps)
    bias = torch.zeros_like(norm.bias) if conv.bias is None else conv.bias
    folded: Any = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    folded = folded.to(conv.weight).requires_grad_(False)
    folded.weight.copy_(conv.weight.double() * scale[:, None, None, None])
    folded.bias.copy_((bias.double() - norm.running_mean.double()) * scale + norm.bias.double())
    return folded, nn.Identity()


class FastUp(nn.Module):
    """UpBlock: every output pixel of nearest-neighbour doubling and 3 x 3 convolution sees 2 x 2 input pixels only."""

    def __init__(self, block: UpBlock):
        super().__init__()
        conv, self.norm = fold(block.conv, block.norm)
        # in one dimension taps (a, b, c) become (a, a + b, b + c, c) at twice the resolution
        spread = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=torch.float64)
        spread = spread.flip(0).to(conv.weight.device)  # a transposed convolution applies its kernel mirrored
        kernel = torch.einsum("ai,bj,ocij->coab", spread, spread, conv.weight.double())
        self.conv: Any = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, 2, 1).to(conv.weight)
        self.conv.requires_grad_(False)
        self.conv.weight.copy_(kernel)
        self.conv.bias.copy_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.norm(self.conv(x)))


class BlockwiseConv(nn.Module):
    """A stride-1 convolution with few outputs as one of stride `step` that makes step x step pixels in its channels."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: Any, step: int):
        super().__init__()
        self.step, self.padding = step, conv.padding
        out, channels, height, width = conv.weight.shape
        weight = conv.weight.new_zeros(out, step, step, channels, height + step - 1, width + step - 1)
        for row in range(step):
            for column in range(step):
                weight[:, row, column, :, row : row + height, column : column + width] = conv.weight
        self.register_buffer("weight", weight.flatten(0, 2))
        self.register_buffer("bias", conv.bias.repeat_interleave(step * step))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, self.step, self.padding), self.step)


def best_step(conv: Any) -> int:
    """The step, of 1, 2 and 4, with the fewest vector products per output pixel; 1 where `conv` is no wide head."""
    size = conv.kernel_size[0]
    if size < 7 or conv.stride != (1, 1) or conv.bias is None or conv.padding != (size // 2, size // 2):
        return 1
    if conv.out_channels > VECTOR:
        return 1

    def products(step: int) -> float:
        vectors = -(-conv.out_channels * step * step // VECTOR)
        return vectors * ((size + step - 1) / step) ** 2

    return min((1, 2, 4), key=products)
