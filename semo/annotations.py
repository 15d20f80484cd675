"""What a method is given of a clip besides source, driving video and sound, where it declares to need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from baselines.inputs.clips import first_face
from baselines.method import Method, MethodUnavailable
from semo.clips import ClipSet
from semo.media import FPS, iter_frames
from semo.tasks import Item, other_clip

Reading = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]


def annotate(method: Method, clips: ClipSet, item: Item, split: str, reading: Reading) -> dict[str, Any]:
    """`truth`, `face` and `other_clip` as `baselines.method.Method` describes them; frames pass through `reading`.

    Raises MethodUnavailable where the data set has no other person.
    """
    given: dict[str, Any] = {}
    if method.needs_truth:
        given["truth"] = lambda: reading(item.true_frames())
    if getattr(method, "needs_face", False):
        given["face"] = first_face(clips, item.source_clip)
    if getattr(method, "needs_other_clip", False):
        other = other_clip(clips, item.source_clip, split)
        if other is None:
            raise MethodUnavailable(f"the split `{split}` shows one person: there is no clip of another")
        given["other_clip"] = lambda: reading(iter_frames(clips.video(other), fps=FPS, frames=item.frames))
    return given
