"""Networks of the compact tier with seeded random weights, written to files as upstream writes the real ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch

from semo.features.nets.facemesh import FaceMesh
from semo.features.nets.lrasd import LRASD
from semo.features.nets.mobilefacenet import MobileFaceNet
from semo.features.nets.tddfa import TDDFA

MODULES = {"facemesh": FaceMesh, "lrasd": LRASD, "mobilefacenet": MobileFaceNet, "tddfa": TDDFA}
MEAN, DEVIATION = np.arange(62, dtype=np.float32), np.arange(1, 63, dtype=np.float32)


def random_network(name: str, seed: int = 0) -> torch.nn.Module:
    """A module in inference mode whose normalisations are not the identity."""
    torch.manual_seed(seed)
    module = MODULES[name]().eval().requires_grad_(False)
    for key, tensor in module.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
    return module


def write_random_weights(folder: Path) -> dict[str, Path]:
    """Files of `faces` and of LR-ASD, except the detector's; the mesh network takes every crop for a face."""
    states = {name: random_network(name).state_dict() for name in MODULES}
    states["facemesh"]["backbone2b.4.bias"] += 100.0
    contents = {
        "mobilefacenet_foamliu.pt": states["mobilefacenet"],
        "mediapipe_facemesh468.pth": states["facemesh"],
        "3ddfa_v2_mb05_120x120.pth": {"state_dict": {f"module.{key}": t for key, t in states["tddfa"].items()}},
        "lr_asd_ava.model": states["lrasd"],
    }
    for file, content in contents.items():
        torch.save(content, folder / file)
    whitening = {"mean": MEAN, "std": DEVIATION}
    (folder / "3ddfa_v2_param_mean_std_62d_120x120.pkl").write_bytes(pickle.dumps(whitening, protocol=3))
    return {path.name: path for path in folder.iterdir()} | {"yunet_n_dynamic.onnx": folder / "yunet_n_dynamic.onnx"}


def grey_square_is_a_face(frame: np.ndarray) -> np.ndarray:
    """Stands in for the detector: bright pixels are a face, a dark frame shows none."""
    rows, columns = np.nonzero(frame[..., 0] > 128)
    if not len(rows):
        return np.zeros((0, 15), np.float32)
    x, y, width, height = columns.min(), rows.min(), np.ptp(columns) + 1.0, np.ptp(rows) + 1.0
    points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
    flat = (np.array(points) * [width, height] + [x, y]).ravel()
    return np.array([[x, y, width, height, *flat, 0.9]], np.float32)


def frames_with_a_square(count: int, dark: tuple[int, ...] = (), size: int = 64) -> np.ndarray:
    """uint8 (count, size, size, 3): textured, with a bright square that moves; frames numbered in `dark` lack it."""
    frames = np.random.default_rng(0).integers(0, 90, (count, size, size, 3), np.uint8)
    for i in range(count):
        if i not in dark:
            frames[i, 10 : 40 + i % 5, 12 + i % 7 : 44 + i % 7] |= 160
    return frames
