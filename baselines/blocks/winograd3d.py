"""3 x 3 x 3 convolution with Winograd's products in height and width and direct ones in depth (see `winograd`)."""

from __future__ import annotations

from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks.winograd import IN, OUT, matrices


class WinogradConv3d(nn.Module):
    """A stride-1 convolution with padding 1, for inference: (B, C, D, H, W) -> (B, C', D, H, W).

    H and W are multiples of 4; one slice of depth is transformed at a time.
    """

    def __init__(self, conv: nn.Conv3d):
        super().__init__()
        if conv.kernel_size != (3, 3, 3) or conv.stride != (1, 1, 1) or conv.padding != (1, 1, 1):
            raise ValueError("WinogradConv3d: needs a 3 x 3 x 3 convolution of stride 1 and padding 1")
        outputs, taps, inputs = (torch.from_numpy(matrix) for matrix in matrices())
        weight = conv.weight.detach()
        kernel = torch.einsum("ai,bj,ocdij->dabco", taps, taps, weight.cpu().double()).flatten(1, 2)
        self.register_buffer("kernel", kernel.to(weight).contiguous())  # (3, 36, C, C')
        self.register_buffer("to_tiles", torch.kron(inputs, inputs).to(weight))  # (36, 36)
        self.register_buffer("from_tiles", torch.kron(outputs, outputs).to(weight))  # (16, 36)
        self.register_buffer("bias", conv.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self._one(volume) for volume in x])

    def _one(self, x: Tensor) -> Tensor:
        _, depth, height, width = x.shape
        made = []
        seen: deque[Tensor | None] = deque([None, None, self._tiles(x[:, 0])], maxlen=3)  # slices -2, -1, 0
        for level in range(depth):
            seen.append(self._tiles(x[:, level + 1]) if level + 1 < depth else None)
            products = sum(torch.bmm(tiles, kernel) for tiles, kernel in zip(seen, self.kernel) if tiles is not None)
            blocks = (self.from_tiles @ products.flatten(1)).view(OUT, OUT, height // OUT, width // OUT, -1)
            made.append((blocks + self.bias).permute(4, 2, 0, 3, 1).reshape(-1, height, width))
        return torch.stack(made, dim=1)

    def _tiles(self, plane: Tensor) -> Tensor:
        """(C, H, W) -> transformed tiles (36, H W / 16, C)."""
        padded = F.pad(plane.permute(1, 2, 0), (0, 0, 1, 1, 1, 1))  # (H + 2, W + 2, C)
        tiles = padded.unfold(0, IN, OUT).unfold(1, IN, OUT).permute(3, 4, 0, 1, 2)  # (6, 6, rows, columns, C)
        return (self.to_tiles @ tiles.reshape(IN * IN, -1)).view(IN * IN, -1, plane.shape[0])
