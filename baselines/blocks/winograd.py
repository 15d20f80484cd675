"""3 x 3 convolution with fewer products (Lavin and Gray, CVPR 2016): 6 x 6 input tiles make 4 x 4 outputs, F(4, 3).

Interpolation points are 0, +-3/4, +-3/2 and infinity: the largest rounding error in float32 at 256 channels is a fourth
of that with the usual 0, +-1, +-2, and near that of a direct convolution.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
OUT, IN, TAPS = 4, 6, 3
TILES = 256  # transformed at once: their 36 planes of 256 channels stay within a few MB


def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A^T (4 x 6), G (6 x 3), B^T (6 x 6) of Toom and Cook: y = A^T [(G g) * (B^T d)], float64."""
    points = np.array(POINTS)
    others = [np.delete(points, i) for i in range(IN - 1)]
    outputs, taps, inputs = np.zeros((OUT, IN)), np.zeros((IN, TAPS)), np.zeros((IN, IN))
    outputs[:, :-1], outputs[-1, -1] = points ** np.arange(OUT)[:, None], 1
    for i, rest in enumerate(others):
        taps[i] = points[i] ** np.arange(TAPS) / np.prod(points[i] - rest)
        inputs[i, :-1] = np.poly(rest)[::-1]
    taps[-1, -1], inputs[-1] = 1, np.poly(points)[::-1]
    return outputs, taps, inputs


class WinogradConv(nn.Module):
    """A 3 x 3 convolution of stride 1 and padding 1 for inference: (B, C, H, W) -> (B, C', H, W).

    Output is channels last; fastest where the input is. Maps whose sides are no multiples of 4 go the direct way.
    """

    kernel: Tensor
    to_tiles: Tensor
    from_tiles: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.padding != (1, 1) or conv.groups != 1:
            raise ValueError("WinogradConv: needs a 3 x 3 convolution of stride 1, padding 1 and one group")
        outputs, taps, inputs = (torch.from_numpy(matrix) for matrix in matrices())
        weight = conv.weight.detach()
        kernel = torch.einsum("ai,bj,ocij->abco", taps, taps, weight.cpu().double()).flatten(0, 1)  # (36, C, C')
        self.register_buffer("kernel", kernel.to(weight).contiguous())
        self.register_buffer("to_tiles", torch.kron(inputs, inputs).to(weight))  # (36, 36)
        self.register_buffer("from_tiles", torch.kron(outputs, outputs).to(weight))  # (16, 36)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", conv.bias.detach() if conv.bias is not None else weight.new_zeros(len(weight)))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        if height % OUT or width % OUT:
            return F.conv2d(x, self.weight, self.bias, padding=1)
        rows, columns, made = height // OUT, width // OUT, len(self.bias)
        padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (B, H + 2, W + 2, C)
        tiles = padded.unfold(1, IN, OUT).unfold(2, IN, OUT).permute(4, 5, 0, 1, 2, 3)  # (6, 6, B, rows, columns, C)
        out = x.new_empty(batch, height, width, made)
        blocks = out.view(batch, rows, OUT, columns, OUT, made).permute(2, 4, 0, 1, 3, 5)
        step = max(1, min(rows, TILES // columns))
        buffers: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        for image in range(batch):
            for row in range(0, rows, step):
                part = slice(row, min(row + step, rows))
                self._tiles(tiles[:, :, image, part], blocks[:, :, image, part], buffers)
        return out.permute(0, 3, 1, 2)

    def _tiles(self, tiles: Tensor, out: Tensor, buffers: dict[int, tuple[Tensor, Tensor, Tensor]]) -> None:
        """`tiles` (6, 6, rows, columns, C) -> `out` (4, 4, rows, columns, C')."""
        channels, made, count = tiles.shape[-1], out.shape[-1], tiles.shape[2] * tiles.shape[3]
        if count not in buffers:
            new, wider = tiles.new_empty, max(channels, made)
            buffers[count] = new(36, count, wider), new(36, count, wider), new(16, count, made)
        first, second, last = buffers[count]
        gathered = first.flatten()[: 36 * count * channels].view(36, count, channels)
        gathered.view(tiles.shape).copy_(tiles)
        moved = second.flatten()[: gathered.numel()].view(36, count * channels)
        torch.mm(self.to_tiles, gathered.view(36, -1), out=moved)
        products = first.flatten()[: 36 * count * made].view(36, count, made)
        torch.bmm(moved.view(36, count, channels), self.kernel, out=products)
        torch.mm(self.from_tiles, products.view(36, -1), out=last.view(16, -1))
        torch.add(last.view(out.shape), self.bias, out=out)
