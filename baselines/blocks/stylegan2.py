"""Layers of StyleGAN2 (Karras et al., CVPR 2020) as LIA and AniTalker's renderer use them.

Weights are stored with unit variance and scaled at run time (equalised learning rate). Modulation scales the input
channels and demodulation the output channels of one shared convolution, which equals convolving with per-sample weights
(paper, section 2.2) and needs no copy of the weights per sample.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FIR = (1.0, 3.0, 3.0, 1.0)


def fir_kernel(gain: float = 1.0) -> Tensor:
    """The binomial low-pass (4, 4) with sum `gain`; 4 keeps brightness where up-sampling by 2 inserts zeros."""
    taps = torch.tensor(FIR)
    kernel = taps[:, None] * taps[None, :]
    return kernel * (gain / kernel.sum())


class Blur(nn.Module):
    """Depthwise FIR filter, optionally keeping every `stride`-th pixel only; `pad` zeros before and after each axis."""

    def __init__(self, pad: int, gain: float = 1.0, stride: int = 1):
        super().__init__()
        self.pad, self.stride = pad, stride
        self.register_buffer("kernel", fir_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.flip(0, 1).expand(channels, 1, 4, 4)
        return F.conv2d(x, kernel, stride=self.stride, padding=self.pad, groups=channels)


class Upsample(nn.Module):
    """(B, C, H, W) -> (B, C, 2H, 2W): zeros inserted, then the FIR filter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv_transpose2d(x, self.kernel.expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)


class EqualConv2d(nn.Module):
    """Convolution without bias whose weight ~ N(0, 1) is divided by sqrt(fan-in) at run time."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class EqualLinear(nn.Module):
    """(B, inputs) -> (B, outputs), weight ~ N(0, 1) divided by sqrt(inputs) at run time."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias)


class FusedLeakyReLU(nn.Module):
    """leaky_relu(x + bias, 0.2) * sqrt(2): keeps unit variance."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias, 0.2) * math.sqrt(2)


class ConvLayer(nn.Sequential):
    """[low-pass and stride 2,] equalised convolution[, biased leaky ReLU]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, downsample: bool = False, activate: bool = True):
        layers: list[nn.Module] = []
        if downsample and kernel == 1:
            layers += [Blur(1, stride=2), EqualConv2d(inputs, outputs, 1)]  # filters only the pixels that are kept
        elif downsample:
            layers += [Blur((kernel + 1) // 2), EqualConv2d(inputs, outputs, kernel, stride=2)]
        else:
            layers += [EqualConv2d(inputs, outputs, kernel, padding=kernel // 2)]
        if activate:
            layers += [FusedLeakyReLU(outputs)]
        super().__init__(*layers)


class ResBlock(nn.Module):
    """Residual block of StyleGAN2's discriminator: (B, C, H, W) -> (B, outputs, H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = ConvLayer(inputs, inputs, 3)
        self.conv2 = ConvLayer(inputs, outputs, 3, downsample=True)
        self.skip = ConvLayer(inputs, outputs, 1, downsample=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class ModulatedConv2d(nn.Module):
    """Convolution whose weights a style scales per input channel and normalises per output channel.

    x (B, inputs, H, W), style (B, style_dim) -> (B, outputs, H, W), or twice the side with `upsample`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, style_dim: int, upsample: bool = False,
                 demodulate: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.padding = kernel // 2
        self.upsample, self.demodulate = upsample, demodulate
        if upsample:
            self.blur = Blur(1, gain=4.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gains, weight = self.modulation(style), self.weight[0] * self.scale  # (B, inputs), (outputs, inputs, k, k)
        x = x * gains[:, :, None, None]
        if self.upsample:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, weight, padding=self.padding)
        if self.demodulate:
            power = gains.square() @ weight.square().sum((2, 3)).T  # (B, outputs)
            x = x * torch.rsqrt(power + 1e-8)[:, :, None, None]
        return x


class NoiseInjection(nn.Module):
    """x + weight * noise; without noise the weight is idle but part of the state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        return x if noise is None else x + self.weight * noise


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, optional noise, biased leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, upsample: bool = False):
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3, style_dim, upsample=upsample)
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None = None) -> Tensor:
        return self.activate(self.noise(self.conv(x, style), noise))


class ConstantInput(nn.Module):
    """The learned start (1, channels, 4, 4) of the synthesis, repeated for a batch."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, batch: int) -> Tensor:
        return self.input.expand(batch, -1, -1, -1)
