"""Reader of head_assets.npz: base mesh, sparse morph targets, proxies, textures."""
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


class Assets:
    """All arrays of one assets file in memory; decoded textures are cached, so load it once per process.

    Attributes: `vertices` (n,3) float64 base mesh in decimetres, `head_weight` (n,) 0 torso .. 1 head.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such assets file; give the path of head_assets.npz with --assets")
        with np.load(path) as archive:
            self.arrays = {key: archive[key] for key in archive.files}
        if "target/names" not in self.arrays:
            raise ValueError(f"{path}: not a head assets file (key target/names is missing)")
        self._target = {str(name): i for i, name in enumerate(self.arrays["target/names"])}
        self.vertices = self.arrays["base/verts"].astype(np.float64)
        self.head_weight = self.arrays["base/pose_w"].astype(np.float64)
        self._morphs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._textures: dict[tuple[str, int | None], np.ndarray] = {}

    def texture(self, name: str, size: int | None = None) -> np.ndarray:
        """Texture as float32 (H,W,C) in [0,1] (display values), resized to size x size where given."""
        key = (name, size)
        if key not in self._textures:
            image = Image.open(io.BytesIO(self.arrays["tex/" + name].tobytes()))
            if size and size != image.size[0]:
                pixels = np.asarray(image, np.float32) / 255
                pixels = _resize(pixels if pixels.ndim == 3 else pixels[..., None], size)
            else:
                pixels = np.asarray(image, np.float32) / 255
            self._textures[key] = pixels if pixels.ndim == 3 else pixels[..., None]
        return self._textures[key]

    def has_target(self, name: str) -> bool:
        return name in self._target

    def target(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Morph target as (vertex indices (m,), displacements (m,3) in decimetres)."""
        if name not in self._morphs:
            i = self._target[name]
            part = slice(self.arrays["target/ptr"][i], self.arrays["target/ptr"][i + 1])
            delta = self.arrays["target/d"][part].astype(np.float64) * float(self.arrays["target/scale"])
            self._morphs[name] = self.arrays["target/idx"][part].astype(np.int64), delta
        return self._morphs[name]

    def expression_targets(self, race: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The 34 expression units of one race's set, by unit name."""
        prefix = f"expr/{race}/"
        return {name[len(prefix):]: self.target(name) for name in self._target if name.startswith(prefix)}

    def proxy(self, name: str) -> dict[str, np.ndarray]:
        """Fitted mesh (hair, clothes, ...): ref, w, off, scale, vmap, uv, tri."""
        return {k: self.arrays[f"proxy/{name}/{k}"] for k in ("ref", "w", "off", "scale", "vmap", "uv", "tri")}


def _resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Antialiased resize of (H,W,C).

    Where there are four channels, colours are weighted by alpha, so that transparent texels do not bleed.
    """
    alpha = pixels[..., 3:4] if pixels.shape[2] == 4 else None
    colour = pixels if alpha is None else np.concatenate([pixels[..., :3] * alpha, alpha], 2)
    planes = [Image.fromarray(np.ascontiguousarray(colour[..., c]), "F").resize((size, size), Image.BILINEAR)
              for c in range(colour.shape[2])]
    out = np.stack([np.asarray(p) for p in planes], -1)
    if alpha is not None:
        out[..., :3] /= np.maximum(out[..., 3:4], 1e-3)
    return np.clip(out, 0, 1).astype(np.float32)
