"""The three tasks: what each gives to a method, and the true frames its result is held against.

| task | source | driven by | truth |
|---|---|---|---|
| reconstruct | frame 0 of a clip | all frames of the clip | the clip |
| cross | frame 0 of a clip of person A | all frames of a clip of person B | A rendered with B's motion |
| talk | frame 0 of a clip | the clip's sound | the clip |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semo.media import FPS, RATE, iter_frames, read_audio

if TYPE_CHECKING:
    from semo.clips import Clip, ClipSet

TASKS = ("reconstruct", "cross", "talk")


@dataclass(frozen=True)
class Item:
    """One video to make. `id` names it everywhere: a clip id, or a pair id for `cross`. Paths are videos at 25 fps.

    `source_clip` is the clip whose first frame is the source, `motion_of` the one whose motion the true video shows.
    """

    id: str
    identity: str
    source: Path
    driving: Path
    truth: Path
    frames: int
    has_audio: bool
    source_clip: str
    motion_of: str

    def source_frame(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return next(iter(iter_frames(self.source, fps=FPS, frames=1)))

    def driving_frames(self) -> Iterator[np.ndarray]:
        return iter_frames(self.driving, fps=FPS, frames=self.frames)

    def true_frames(self) -> Iterator[np.ndarray]:
        return iter_frames(self.truth, fps=FPS, frames=self.frames)

    def waveform(self) -> np.ndarray:
        """float32 mono 16 kHz, exactly as long as the frames: padded with silence or cut."""
        return sound_of_frames(self.truth, self.frames)


def sound_of_frames(path: Path, frames: int) -> np.ndarray:
    """The sound of a file, float32 mono 16 kHz, exactly as long as `frames` frames: padded with silence or cut."""
    length = round(frames / FPS * RATE)
    sound = read_audio(path, duration=frames / FPS, rate=RATE)[:length]
    return np.pad(sound, (0, length - len(sound)))


def task_items(task: str, clips: ClipSet, split: str, max_clips: int, max_frames: int) -> list[Item]:
    """Everything `task` makes from prepared clips; 0 means no limit.

    A limit on clips takes clips of as many people as possible, the first clip of each person first.
    Raises ValueError for an unknown task.
    """
    if task not in TASKS:
        raise ValueError(f"no task {task!r}; known: {', '.join(TASKS)}")
    chosen = clips.select(split)
    items = _pairs(clips, chosen) if task == "cross" else _own(clips, chosen)
    if task == "talk":
        items = [item for item in items if item.has_audio]
    if max_frames:
        items = [_shorter(item, max_frames) for item in items]
    return sorted(_spread(items, max_clips), key=lambda item: item.id)


def why_nothing(task: str, split: str) -> str:
    """The reason a data set has nothing to offer a task."""
    return {
        "reconstruct": f"the data set has no clip in the split `{split}`",
        "cross": "the data set has no cross-identity pairs with a known truth",
        "talk": f"the data set has no clip with sound in the split `{split}`",
    }[task]


def other_clip(clips: ClipSet, clip: str, split: str) -> Clip | None:
    """The clip whose motion stands in for that of `clip`: of the next person of the split, the last one's next is the
    first; of that person's clips the one that comes as `clip` does among its own. None where there is one person.
    """
    of_person: dict[str, list[Clip]] = {}
    for found in sorted(clips.select(split), key=lambda c: c.clip):
        of_person.setdefault(found.identity, []).append(found)
    people, own = sorted(of_person), clips[clip]
    if len(people) < 2 or own.identity not in of_person:
        return None
    others = of_person[people[(people.index(own.identity) + 1) % len(people)]]
    return others[[c.clip for c in of_person[own.identity]].index(clip) % len(others)]


def _own(clips: ClipSet, chosen: list[Clip]) -> list[Item]:
    items = []
    for clip in chosen:
        video = clips.video(clip)
        items.append(
            Item(clip.clip, clip.identity, video, video, video, clip.frames, clip.has_audio, clip.clip, clip.clip)
        )
    return items


def _pairs(clips: ClipSet, chosen: list[Clip]) -> list[Item]:
    by_id = {clip.clip: clip for clip in chosen}
    items = []
    for pair in clips.cross:
        if pair.source_clip not in by_id or pair.driving_clip not in by_id:
            continue
        source, driving = by_id[pair.source_clip], by_id[pair.driving_clip]
        items.append(
            Item(
                id=pair.pair,
                identity=source.identity,
                source=clips.video(source),
                driving=clips.video(driving),
                truth=clips.cross_video(pair),
                frames=min(pair.frames, driving.frames),
                has_audio=False,
                source_clip=pair.source_clip,
                motion_of=pair.driving_clip,
            )
        )
    return items


def _shorter(item: Item, frames: int) -> Item:
    return replace(item, frames=min(item.frames, frames))


def _spread(items: list[Item], limit: int) -> list[Item]:
    """At most `limit` items, round-robin over people."""
    if not limit or len(items) <= limit:
        return items
    seen: dict[str, int] = {}
    ranked = []
    for item in sorted(items, key=lambda i: i.id):
        turn = seen[item.identity] = seen.get(item.identity, -1) + 1
        ranked.append((turn, item.identity, item))
    return [item for _, _, item in sorted(ranked, key=lambda r: r[:2])[:limit]]
