"""The faces of prepared clips: from their ground truth where there is one, else found in their frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from baselines.inputs.annotated import annotated
from baselines.inputs.face import Face
from baselines.method import ClipFailure
from semo.clips import Clip, ClipSet


def kind_of_faces(clips: ClipSet) -> str:
    """`Face.kind` of the faces of a data set's clips: `annotated` where it has ground truth, else `detected`."""
    return "annotated" if (clips.folder / "truth").is_dir() else "detected"


def clip_face(clips: ClipSet, clip: Clip | str) -> Face:
    """The face in every frame of a clip. Raises MethodUnavailable where it cannot be found without networks."""
    clip = clips[clip] if isinstance(clip, str) else clip
    truth = clips.truth(clip)
    if truth is not None:
        return annotated(truth, clip, clips.frame_size)[: clip.frames]
    from baselines.inputs.detected import detected

    return detected(clips.frames(clip))


def first_face(clips: ClipSet, clip: str) -> Callable[[], Face]:
    """A function that gives the face of a clip's first frame alone; it raises ClipFailure where there is none."""

    def face() -> Face:
        truth = clips.truth(clip)
        if truth is not None:
            return annotated(truth, clips[clip], clips.frame_size)[:1]
        return portrait_face(clips.frames(clip, count=1)[0])

    return face


def portrait_face(portrait: np.ndarray) -> Face:
    """The largest face of a picture, uint8 (H, W, 3), as a `Face` of one frame.

    Raises ClipFailure where none is found, MethodUnavailable where there are no networks to find one.
    """
    from baselines.inputs.detected import detected

    found = detected(portrait[None])
    if not found.found.all():
        raise ClipFailure("no face is found in the portrait; use a picture of one face seen from the front")
    return found
