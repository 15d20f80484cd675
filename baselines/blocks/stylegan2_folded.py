"""The layers of `stylegan2` for inference alone: scales folded into weights, fewer passes over memory, no gradients.

Weights and activations are channels last, where depthwise filters, transposed convolutions and sampling are two to
four times faster on a processor; 3 x 3 convolutions of many channels on large maps are Winograd's. Results equal those
of the plain layers up to rounding.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks import stylegan2
from baselines.blocks.fast import WINOGRAD_CHANNELS
from baselines.blocks.winograd import WinogradConv

SQRT2 = math.sqrt(2)
WINOGRAD_SIDE = 32  # on smaller maps reading the transformed weights takes longer than the products they save


def _constants(module: nn.Module, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        module.register_buffer(name, tensor.detach().clone(memory_format=torch.preserve_format))


def _winograd(weight: Tensor, bias: Tensor, side: int) -> WinogradConv | None:
    """The convolution of stride 1 with these constants for maps of `side` pixels, where Winograd's way is faster."""
    few = weight.shape[2] != 3 or weight.shape[1] < WINOGRAD_CHANNELS or side < WINOGRAD_SIDE
    if few or weight.device.type != "cpu":
        return None
    conv = nn.Conv2d(weight.shape[1], len(weight), 3, padding=1).to(weight).requires_grad_(False)
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)
    return WinogradConv(conv)


def _depthwise(kernel: Tensor, channels: int) -> Tensor:
    return kernel.flip(0, 1).expand(channels, 1, 4, 4)


class ConvLayer(nn.Module):
    """A `ConvLayer` whose result is multiplied by `gain`, which must be positive; `side` of its input in pixels."""

    def __init__(self, layer: stylegan2.ConvLayer, side: int, gain: float = 1.0):
        super().__init__()
        parts = list(layer)
        blur = parts.pop(0) if isinstance(parts[0], stylegan2.Blur) else None
        conv, self.activate = parts[0], len(parts) > 1
        gain = gain * SQRT2 if self.activate else gain  # leaky_relu(c x) = c leaky_relu(x) for c > 0
        bias = parts[1].bias.flatten() * gain if self.activate else conv.weight.new_zeros(len(conv.weight))
        _constants(self, weight=conv.weight * (conv.scale * gain), bias=bias)
        self.stride, self.padding = conv.stride, conv.padding
        self.winograd = _winograd(self.weight, bias, side) if conv.stride == 1 else None
        self.blur = None if blur is None else (blur.stride, blur.pad)
        if blur is not None:
            _constants(self, fir=_depthwise(blur.kernel, conv.weight.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        if self.blur is not None:
            stride, padding = self.blur
            x = F.conv2d(x, self.fir, stride=stride, padding=padding, groups=x.shape[1])
        if self.winograd is not None:
            x = self.winograd(x)
        elif self.weight.shape[-1] == 1:  # a matrix product over the pixels
            x = F.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
        else:
            x = F.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)
        return F.leaky_relu_(x, 0.2) if self.activate else x


class ResBlock(nn.Module):
    def __init__(self, block: stylegan2.ResBlock, side: int):
        super().__init__()
        self.conv1 = ConvLayer(block.conv1, side)
        self.conv2 = ConvLayer(block.conv2, side, 1 / SQRT2)
        self.skip = ConvLayer(block.skip, side, 1 / SQRT2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)).add_(self.skip(x))


class StyledConv(nn.Module):
    """Modulates whichever is smaller: the weights, possible for one sample only, or the activations.

    `side`: of the output in pixels. Winograd's weights are fixed, so with them it is the activations.
    """

    def __init__(self, layer: stylegan2.StyledConv, side: int):
        super().__init__()
        conv = layer.conv
        weight = conv.weight[0] * conv.scale
        self.upsample, self.modulation = conv.upsample, copy.deepcopy(conv.modulation)
        _constants(self, power=weight.square().sum((2, 3)).T, bias=layer.activate.bias.flatten() * SQRT2)
        _constants(self, weight=weight.transpose(0, 1) if conv.upsample else weight)
        if conv.upsample:
            _constants(self, fir=_depthwise(conv.blur.kernel, len(weight)))
        idle = torch.zeros_like(self.bias)
        self.winograd = None if conv.upsample else _winograd(self.weight, idle, side)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gains = self.modulation(style)  # (B, inputs)
        demodulation = torch.rsqrt(gains.square() @ self.power + 1e-8) * SQRT2  # (B, outputs)
        if self.winograd is None and len(x) == 1 and self.weight.numel() < x.numel():
            scale = gains[0][:, None] * demodulation if self.upsample else demodulation[0][:, None] * gains
            x = self._convolve(x, self.weight * scale[:, :, None, None], self.bias)
        else:
            x = x * gains[:, :, None, None]
            x = self._convolve(x, self.weight, None) if self.winograd is None else self.winograd(x)
            x = torch.addcmul(self.bias[:, None, None], x, demodulation[:, :, None, None])
        return F.leaky_relu_(x, 0.2)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.upsample:
            return F.conv2d(x, weight, bias, padding=1)
        x = F.conv_transpose2d(x, weight, stride=2)
        return F.conv2d(x, self.fir, bias, padding=1, groups=x.shape[1])
