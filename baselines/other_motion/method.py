"""SeMo's decoder with the true motion of another person's clip, relative to that clip's first frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np

from baselines.blocks.control import MotionControl
from baselines.method import ClipContext

if TYPE_CHECKING:
    from torch import Tensor

    from semo.pipeline import SeMoPipeline

BATCH = 16


class Method(MotionControl):
    name = "other-motion"
    motion = "of the next person's clip, relative to its first frame"
    needs_other_clip = True

    def motions(self, pipeline: SeMoPipeline, m_ref: Tensor, frames: int, context: ClipContext) -> Iterator[Tensor]:
        """The portrait's own motion, and what the other clip's changes by; a shorter clip runs forth and back."""
        import torch

        other = iter(context.annotations["other_clip"]())
        kept: list[Tensor] = []
        while some := list(islice(other, BATCH)):
            motion = pipeline.encode_motion(np.stack(some))
            kept += motion
            yield m_ref + motion - kept[0]
        turning = islice(cycle([*kept[-2::-1], *kept[1:]] or kept), frames - len(kept))
        while more := list(islice(turning, BATCH)):
            yield m_ref + torch.stack(more) - kept[0]
