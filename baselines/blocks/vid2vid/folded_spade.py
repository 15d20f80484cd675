"""The SPADE decoder for inference alone: equal to the plain one up to rounding, with under half the products.

    spectral norm is divided out of the weights once;
    gains and offsets of a SPADE norm are one convolution, Winograd's where it has many channels;
    a convolution of the enlarged guide is a transposed convolution of the guide itself;
    repeating pixels does not change their mean and variance: norms of enlarged features are computed before enlarging;
    the shortcut has no activation: its 1 x 1 convolution and that of the offsets are one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.vid2vid.spade import Spade, SpadeBlock, SpadeDecoder
from baselines.blocks.winograd import WinogradConv

WINOGRAD_PRODUCTS = 128 * 128  # input times output channels from which the transforms are worth it


def frozen(weight: Tensor, bias: Tensor | None, padding: int = 1) -> nn.Conv2d:
    """A convolution of stride 1 with these constants."""
    conv = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2:], padding=padding, bias=bias is not None)
    conv = conv.to(weight).requires_grad_(False)
    conv.weight.copy_(weight.detach())
    if bias is not None:
        conv.bias.copy_(bias.detach())
    return conv.to(memory_format=torch.channels_last)


def quick(conv: nn.Conv2d) -> nn.Module:
    """Winograd's way for a 3 x 3 convolution where it is the faster one; a GPU's library chooses by itself."""
    many = conv.in_channels * conv.out_channels >= WINOGRAD_PRODUCTS and conv.in_channels >= 64
    return WinogradConv(conv) if many and conv.weight.device.type == "cpu" else conv


def normalised(conv: nn.Module) -> Tensor:
    """The weight of a convolution under (old-style) spectral norm in eval mode: W / (u^T W v)."""
    weight = conv.weight_orig.detach().double()
    sigma = conv.weight_u.double() @ weight.flatten(1) @ conv.weight_v.double()
    return (weight / sigma).to(conv.weight_orig)


class EnlargedConv(nn.Module):
    """3 x 3 convolution of an input whose pixels are repeated `factor` times: (B, C, H, W) -> (B, C', fH, fW).

    In one dimension an input pixel is seen by the `factor` + 2 outputs around its copies; which taps add up there is a
    matrix, and the result a transposed convolution of stride `factor`.
    """

    def __init__(self, conv: nn.Conv2d, factor: int):
        super().__init__()
        self.factor = factor
        spread = torch.zeros(factor + 2, 3, dtype=torch.float64, device=conv.weight.device)
        for copy in range(factor):
            for tap in range(3):
                spread[copy + 2 - tap, tap] += 1
        kernel = torch.einsum("ai,bj,ocij->coab", spread, spread, conv.weight.detach().double())
        self.register_buffer("weight", kernel.to(conv.weight).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", conv.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, stride=self.factor, padding=1)


def standardised(x: Tensor) -> Tensor:
    """Instance norm without gain and offset."""
    variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
    scale = torch.rsqrt(variance + 1e-5)
    return torch.addcmul(-mean * scale, x, scale)


class FoldedSpade(nn.Module):
    """The norm of features that were standardised before; `factor`: how much larger than the guide they are."""

    def __init__(self, spade: Spade, factor: int):
        super().__init__()
        self.shared = _shared(spade, factor)
        weight = torch.cat([spade.mlp_gamma.weight, spade.mlp_beta.weight])
        self.gains = quick(frozen(weight, torch.cat([spade.mlp_gamma.bias + 1, spade.mlp_beta.bias])))

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        gain, offset = self.gains(F.relu_(self.shared(guide))).chunk(2, dim=1)
        return torch.addcmul(offset, x, gain)


def _shared(spade: Spade, factor: int) -> nn.Module:
    conv = spade.mlp_shared[0]
    return EnlargedConv(conv, factor) if factor > 1 else quick(frozen(conv.weight, conv.bias))


class FoldedShortcut(nn.Module):
    """conv_s(x * gain + offset) = conv_s(x * gain) + (conv_s o mlp_beta)(shared)."""

    def __init__(self, conv: nn.Module, spade: Spade, factor: int):
        super().__init__()
        self.shared = _shared(spade, factor)
        mix, beta = normalised(conv)[:, :, 0, 0].double(), spade.mlp_beta
        offset = torch.einsum("oc,cikl->oikl", mix, beta.weight.detach().double()).to(beta.weight)
        bias = (mix @ beta.bias.detach().double()).to(beta.bias)
        weight = torch.cat([spade.mlp_gamma.weight.detach(), offset])
        self.gains = quick(frozen(weight, torch.cat([spade.mlp_gamma.bias.detach() + 1, bias])))
        self.register_buffer("mix", mix.to(beta.weight))

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        made = self.gains(F.relu_(self.shared(guide)))
        gain, offset = made.split([x.shape[1], len(self.mix)], dim=1)
        mixed = F.linear((x * gain).permute(0, 2, 3, 1), self.mix).permute(0, 3, 1, 2)
        return mixed.add_(offset)


class FoldedBlock(nn.Module):
    """`enlarge`: doubles the input first, as the decoder does before its last blocks."""

    def __init__(self, block: SpadeBlock, factor: int, enlarge: bool = False):
        super().__init__()
        self.enlarge = enlarge
        self.norm_0, self.norm_1 = FoldedSpade(block.norm_0, factor), FoldedSpade(block.norm_1, factor)
        self.conv_0 = quick(frozen(normalised(block.conv_0), block.conv_0.bias))
        self.conv_1 = quick(frozen(normalised(block.conv_1), block.conv_1.bias))
        self.shortcut = FoldedShortcut(block.conv_s, block.norm_s, factor) if hasattr(block, "conv_s") else None

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        even = standardised(x)
        if self.enlarge:
            even = F.interpolate(even, scale_factor=2)
        y = self.conv_0(F.leaky_relu_(self.norm_0(even, guide), 0.2))
        y = self.conv_1(F.leaky_relu_(self.norm_1(standardised(y), guide), 0.2))
        if self.shortcut is not None:
            return y.add_(self.shortcut(even, guide))
        return y.add_(F.interpolate(x, scale_factor=2) if self.enlarge else x)


class FoldedSpadeDecoder(nn.Module):
    @torch.no_grad()
    def __init__(self, decoder: SpadeDecoder):
        super().__init__()
        self.fc = quick(frozen(decoder.fc.weight, decoder.fc.bias))
        blocks = [decoder.get_submodule(f"G_middle_{block}") for block in range(decoder.blocks)]
        ups = [decoder.get_submodule(f"up_{level}") for level in range(decoder.ups)]
        self.blocks = nn.ModuleList(FoldedBlock(block, 1) for block in blocks)
        self.blocks.extend(FoldedBlock(block, 2 << level, enlarge=True) for level, block in enumerate(ups))
        image = decoder.conv_img[0] if decoder.upscale > 1 else decoder.conv_img
        self.image, self.upscale = frozen(image.weight, image.bias), decoder.upscale
        self.eval().requires_grad_(False)

    def forward(self, guide: Tensor) -> Tensor:
        """Guide (B, guide, H, W) -> picture in [0, 1]."""
        guide = guide.contiguous(memory_format=torch.channels_last)
        x = self.fc(guide)
        for block in self.blocks:
            x = block(x, guide)
        return torch.sigmoid_(F.pixel_shuffle(self.image(F.leaky_relu_(x, 0.2)), self.upscale))
