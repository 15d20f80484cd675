"""Faces from the ground truth of rendered clips: portraits-mini's npz files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baselines.inputs.face import Face
from semo.clips import Clip

# every expression morph that occurs in portraits-mini; a clip's file lists those in use, the others are 0
UNITS = (
    "eye-left-closure", "eye-left-opened-up", "eye-left-slit", "eye-right-closure", "eye-right-opened-up",
    "eye-right-slit", "eyebrows-left-down", "eyebrows-left-extern-up", "eyebrows-left-inner-up", "eyebrows-left-up",
    "eyebrows-right-down", "eyebrows-right-inner-up", "eyebrows-right-up", "mouth-compression", "mouth-corner-puller",
    "mouth-depression", "mouth-elevation", "mouth-eversion", "mouth-open", "mouth-part-later", "mouth-protusion",
    "mouth-pursing", "mouth-retraction", "mouth-upward-retraction", "nose-compression",
)  # fmt: skip


def annotated(truth: Mapping[str, np.ndarray], clip: Clip, frame_size: int) -> Face:
    """The face of a prepared clip of `frame_size` pixels from the arrays of `ClipSet.truth`.

    Raises ValueError for a morph that UNITS lacks.
    """
    scale = frame_size / clip.size
    flat = (truth["landmarks"].astype(np.float32) - np.array([clip.x, clip.y], np.float32)) * np.float32(scale)
    solid = truth["landmarks3d"].astype(np.float32)  # decimetres, x right, y up, z towards the camera
    spread = solid[..., :2].std(1).mean(1)
    depth = (solid[..., 2].mean(1, keepdims=True) - solid[..., 2]) * (flat.std(1).mean(1) / spread)[:, None]
    mesh = np.concatenate([flat, depth[..., None]], -1)
    return Face(
        "annotated",
        (frame_size, frame_size),
        mesh.astype(np.float32),
        truth["pose_deg"].astype(np.float32),
        _units(truth["unit_names"], truth["units"]),
    )


def _units(names: np.ndarray, weights: np.ndarray) -> np.ndarray:
    unknown = sorted(set(map(str, names)) - set(UNITS))
    if unknown:
        raise ValueError(f"the morph {unknown[0]} is none of portraits-mini's; add it to UNITS in {__name__}")
    found = np.zeros((len(weights), len(UNITS)), np.float32)
    found[:, [UNITS.index(str(name)) for name in names]] = weights
    return found
