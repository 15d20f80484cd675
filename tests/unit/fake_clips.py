"""A folder of prepared clips as semo.clips leaves it: moving squares with sound, two people, one cross pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from semo.clips import Clip, CrossPair, write_table
from semo.media import write_lossless

SIZE = 32
FRAMES = 10


def video(person: int, motion: int, frames: int = FRAMES) -> np.ndarray:
    """uint8 (T, 32, 32, 3): a square in the person's colour on the person's grey moves as the motion says."""
    made = np.full((frames, SIZE, SIZE, 3), 40 + 20 * person, np.uint8)
    for t in range(frames):
        x = (2 * t + 5 * motion) % (SIZE - 8)
        made[t, 8:16, x : x + 8] = (200, 30 * person, 120)
    return made


def prepared(folder: Path, people: int = 2, per_person: int = 2, sound: bool = True, cross: bool = True) -> Path:
    """Write the folder and return it."""
    clips = []
    for person in range(people):
        for k in range(per_person):
            name = f"fake-p{person}-c{k}"
            t = np.arange(16000 * FRAMES // 25) / 16000.0
            audio = (0.3 * np.sin(2 * np.pi * 220 * (k + 1) * t)).astype(np.float32) if sound else None
            write_lossless(folder / "clips" / f"{name}.mkv", video(person, k), audio=audio)
            clips.append(
                Clip(name, f"p{person}", "test", f"{name}.mp4", 0.0, FRAMES, 25.0, 0, 0, SIZE, sound, "0" * 64, "CC0")
            )
    write_table(folder / "manifest.tsv", Clip, clips)
    pairs = []
    if cross and people > 1:
        write_lossless(folder / "cross" / "pair0.mkv", video(0, 1))
        pairs.append(CrossPair("pair0", "fake-p0-c0", "fake-p1-c1", "cross/pair0.mp4", FRAMES))
    write_table(folder / "cross.tsv", CrossPair, pairs)
    (folder / "dataset.json").write_text(json.dumps({"dataset": "fake", "frame_size": SIZE}))
    return folder
