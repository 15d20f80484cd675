"""A clip through a keypoint-driven network: the source once, driving frames in batches, memory bounded by the batch.

Two ways give the same frames to rounding. `plain` runs the networks frame by frame and the source again for each, as
the papers' scripts do; `fast` computes everything that depends on the source once and uses accelerated networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from baselines.blocks.fast import accelerate
from baselines.method import ClipFailure
from semo.pictures import to_float, to_uint8

MOTIONS = ("absolute", "relative")
BATCH = 4  # driving frames at once; more is not faster on a CPU and takes 100 to 200 MB a frame at 256 px
LEAST_FRAMES = 2
Points = TypeVar("Points")


@dataclass(frozen=True)
class Source(Generic[Points]):
    """What a source gives once per clip: `image` (1, 3, H, W), its keypoints, and maps that only the fast way keeps."""

    image: Tensor
    points: Points
    small: Tensor | None = None
    maps: Any = None


class Animator(ABC, Generic[Points]):
    """Networks of one rival behind one interface.

    `modules`: its networks by their keys in the released file; they are not changed. `fast`: which of the two ways.
    Images are (B, 3, H, W) in [0, 1] at the networks' size `frame_size`.
    """

    used: tuple[str, ...]  # the modules needed

    def __init__(self, modules: Mapping[str, nn.Module], frame_size: int, fast: bool = True):
        self.fast, self.frame_size = fast, frame_size
        self.batch = BATCH if fast else 1
        parameter = next(modules[self.used[0]].parameters())
        self.device = parameter.device
        self.modules: dict[str, Any] = {
            name: self.accelerated(name, modules[name]) if fast else modules[name].eval() for name in self.used
        }

    def accelerated(self, name: str, module: nn.Module) -> nn.Module:
        """The network as the fast way runs it; `module` is not changed."""
        return accelerate(module, winograd=self.device.type == "cpu")

    @abstractmethod
    def points(self, images: Tensor) -> Points:
        """Keypoints of frames."""

    @abstractmethod
    def source(self, image: Tensor) -> Source[Points]:
        """Prepare a source (1, 3, H, W)."""

    @abstractmethod
    def relative(self, source: Points, driving: Points, initial: Points) -> Points:
        """The source's keypoints moved as the driving face moved since `initial`, scaled by the faces' extents."""

    @abstractmethod
    def render(self, source: Source[Points], points: Points, driving: Tensor | None) -> Tensor:
        """The source with the keypoints `points`; `driving`: frames whose background motion is taken over, if any."""

    @torch.inference_mode()
    def start(self, source: np.ndarray) -> Source[Points]:
        """uint8 (H, W, 3) of any size."""
        return self.source(self._tensor([source]))

    @torch.inference_mode()
    def first(self, driving: np.ndarray) -> Points:
        """Keypoints of one uint8 frame, the initial frame of relative motion."""
        return self.points(self._tensor([driving]))

    @torch.inference_mode()
    def frames(
        self, source: Source[Points], driving: list[np.ndarray], initial: Points | None = None
    ) -> list[np.ndarray]:
        """Driving frames, uint8 of any size -> as many frames of `frame_size`; `initial`: for relative motion.

        Relative motion is for another person's video: its background says nothing of the source's, which stands still.
        """
        images = self._tensor(driving)
        points = self.points(images)
        if initial is not None:
            return list(to_uint8(self.render(source, self.relative(source.points, points, initial), None)))
        return list(to_uint8(self.render(source, points, images)))

    def _tensor(self, frames: list[np.ndarray]) -> Tensor:
        size = (self.frame_size, self.frame_size)
        tensor = to_float(np.stack([fit(frame, size) for frame in frames])).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if self.fast else tensor


def animate(
    animator: Animator, source: np.ndarray, driving: Iterator[np.ndarray], motion: str = "absolute"
) -> Iterator[np.ndarray]:
    """uint8 source (H, W, 3) and driving frames of any size -> as many frames of the source's size, lazily.

    Raises ValueError for an unknown `motion` and ClipFailure for a video of less than two frames.
    """
    if motion not in MOTIONS:
        raise ValueError(f"motion {motion!r} is unknown; there are {', '.join(MOTIONS)}")
    return _animated(animator, source, driving, motion)


def _animated(
    animator: Animator, source: np.ndarray, driving: Iterator[np.ndarray], motion: str
) -> Iterator[np.ndarray]:
    driving = iter(driving)
    start = list(islice(driving, LEAST_FRAMES))
    if len(start) < LEAST_FRAMES:
        raise ClipFailure(f"the driving video has {len(start)} frames; motion needs at least {LEAST_FRAMES}")
    driving = chain(start, driving)
    prepared = animator.start(source)
    initial = animator.first(start[0]) if motion == "relative" else None
    while batch := list(islice(driving, animator.batch)):
        for frame in animator.frames(prepared, batch, initial):
            yield fit(frame, source.shape[:2])


def fit(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """uint8 (H, W, 3) to `size` = (height, width) without keeping its aspect: area average to shrink, cubic to enlarge.

    A frame shorter in one direction and longer in the other is averaged.
    """
    height, width = size[0], size[1]
    if frame.shape[:2] == (height, width):
        return frame
    enlarged = height >= frame.shape[0] and width >= frame.shape[1]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA)
