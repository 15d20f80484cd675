"""LPIPS v0.1 (Zhang et al. 2018) through the lpips package, on torchvision's AlexNet or VGG-16."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from semo.features.base import PairedNetwork

# Released linear heads (richzhang/PerceptualSimilarity, lpips/weights/v0.1); the package ships them.
HEADS = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
PIXELS_AT_ONCE = 1 << 19  # 8 frames of 256 x 256: bounds memory at any frame size


class _Lpips(PairedNetwork):
    """Distances per frame. `trunk` as the lpips package calls it, `file` its weights, `smallest` the side it needs."""

    tier = "reference"
    trunk: ClassVar[str]
    file: ClassVar[str]
    smallest: ClassVar[int]

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        self.device = device
        self.network = build(self.trunk, files[self.file]).to(device)

    def distances(self, truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
        """uint8 (T, H, W, 3) twice -> float64 (T,). Raises ValueError on frames too small for the trunk."""
        import torch

        height, width = truth.shape[1:3]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"frames of {width} x {height} pixels are too small for {self.name}: it needs {self.smallest} a side"
            )
        step = max(1, PIXELS_AT_ONCE // (height * width))
        parts = []
        with torch.inference_mode():
            for start in range(0, len(truth), step):
                pair = [self._input(side[start : start + step]) for side in (truth, generated)]
                parts.append(self.network(*pair).flatten().cpu().numpy())
        return np.concatenate(parts).astype(np.float64)

    def _input(self, frames: np.ndarray):
        import torch

        values = torch.tensor(frames, device=self.device).permute(0, 3, 1, 2).to(torch.float32)
        return values / 127.5 - 1  # (n, 3, H, W) in [-1, 1]


def build(trunk: str, file: Path):
    """lpips.LPIPS of version 0.1 with the trunk's weights from `file` and the package's heads; nothing is downloaded.

    Raises ValueError where the installed package's heads are not the released ones or `file` lacks a tensor.
    """
    import lpips
    import torch

    heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{trunk}.pth"
    if hashlib.sha256(heads.read_bytes()).hexdigest() != HEADS[trunk]:
        raise ValueError(f"{heads} is not the released LPIPS head: install lpips 0.1.4 again")
    with warnings.catch_warnings(), torch.device("meta"):  # no time and memory for values that are replaced
        warnings.filterwarnings("ignore", "The parameter 'pretrained'|Arguments other than a weight enum")
        network = lpips.LPIPS(net=trunk, version="0.1", pretrained=False, pnet_rand=True, verbose=False)
    released = torch.load(file, map_location="cpu", weights_only=True)
    state = torch.load(heads, map_location="cpu", weights_only=True)
    for name in network.net.state_dict():  # slice2.3.weight is features.3.weight of torchvision
        key = "features." + name.split(".", 1)[1]
        if key not in released:
            raise ValueError(f"{file}: holds no {key}, so it is not torchvision's network for LPIPS {trunk}")
        state[f"net.{name}"] = released[key]
    network.load_state_dict(state, strict=False, assign=True)
    return network.eval().requires_grad_(False)


class LpipsAlex(_Lpips):
    name = "lpips-alex"
    weights = ("alexnet",)
    protocol = "RGB in [-1, 1], any size, AlexNet, heads v0.1, mean over the picture"
    trunk, file, smallest = "alex", "alexnet-owt-7be5be79.pth", 31


class LpipsVgg(_Lpips):
    name = "lpips-vgg"
    weights = ("vgg16",)
    protocol = "RGB in [-1, 1], any size, VGG-16, heads v0.1, mean over the picture"
    trunk, file, smallest = "vgg", "vgg16-397923af.pth", 16


NETWORKS = (LpipsAlex, LpipsVgg)
