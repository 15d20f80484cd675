"""Faces from the networks of the compact tier: YuNet, MediaPipe's face mesh, 3DDFA v2."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from baselines.inputs.face import Face
from baselines.method import MethodUnavailable
from semo.errors import DatasetError

NETWORK = "faces"
SIGNS = np.array([-1, -1, 1], np.float32)  # 3DDFA's yaw and pitch count the other way than the annotations'


def detected(frames: np.ndarray) -> Face:
    """uint8 (T, H, W, 3) -> the face in each frame; where several are seen, the largest that is followed.

    Raises MethodUnavailable where the networks are not on this machine.
    """
    session = _extractor().start()
    session.add(frames)
    features = session.finish(None)
    mesh = np.concatenate([features["mesh"], features["depth"][..., None]], -1)
    return Face("detected", frames.shape[1:3], mesh, features["pose"] * SIGNS, features["expression"])


@cache
def _extractor() -> Any:
    from semo.features.loading import open_network

    try:
        return open_network(NETWORK).network
    except DatasetError as error:
        raise MethodUnavailable(f"faces can neither be read from annotations nor found in pictures: {error}") from error
