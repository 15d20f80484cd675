"""The videos and models of a run, as figures need them; what is missing raises MissingInput with the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semo.clips import ClipSet
from semo.errors import MediaError
from semo.media import read_frames
from semo.metrics import metric
from semo.metrics.psnr_moving import moving_pixels
from semo.report.figures import MissingInput
from semo.report.measurements import BOUNDS
from semo.report.tables import Inputs
from semo.tasks import Item, task_items

if TYPE_CHECKING:
    from semo.pipeline import SeMoPipeline


@dataclass(frozen=True)
class Videos:
    """One (task, data set): its items and every method's video of them."""

    inputs: Inputs
    task: str
    dataset: str

    @cached_property
    def items(self) -> list[Item]:
        """What copy-reference made, which every run has."""
        record = self.record("copy-reference")
        clips = ClipSet(self.inputs.results.folder / "clips" / self.dataset)
        items = task_items(self.task, clips, record["split"], record["max_clips"], record["max_frames"])
        failed = {entry["clip"] for entry in record["failed"]}
        return [item for item in items if item.id not in failed]

    def record(self, method: str) -> dict[str, Any]:
        path = self._folder(method) / "run.json"
        if not path.is_file():
            raise MissingInput(f"{method} made nothing for {self.task} on {self.dataset}")
        record = json.loads(path.read_text())
        if record["status"] != "complete":
            raise MissingInput(f"{method}: {record['reason']}")
        return record

    def path(self, method: str, item: Item) -> Path:
        """The file of one video; raises MissingInput."""
        self.record(method)
        path = self._folder(method) / f"{item.id}.mkv"
        if not path.is_file():
            raise MissingInput(f"{method} failed on {item.id}")
        return path

    def made(self, method: str, item: Item) -> np.ndarray:
        """uint8 (T, H, W, 3); raises MissingInput."""
        return read_frames(self.path(method, item))

    def frame(self, method: str, item: Item, index: int) -> np.ndarray | str:
        """One frame, or the reason for none."""
        try:
            return self.made(method, item)[index]
        except MissingInput as missing:
            return f"not run: {missing}"

    def truth(self, item: Item) -> np.ndarray:
        return np.stack(list(item.true_frames()))

    def one_per_person(self, count: int) -> list[Item]:
        """The first item of each person, `count` people spread over all of them."""
        first: dict[str, Item] = {}
        for item in self.items:
            first.setdefault(item.identity, item)
        people = sorted(first)
        chosen = np.unique(np.linspace(0, len(people) - 1, min(count, len(people))).round().astype(int))
        return [first[people[i]] for i in chosen]

    def _folder(self, method: str) -> Path:
        return self.inputs.results.folder / "generated" / self.task / self.dataset / method


def videos_of(inputs: Inputs, task: str) -> list[Videos]:
    """One per data set that has anything for the task; raises MissingInput where none has."""
    found, reason = [], f"no data set has items for the task {task}"
    for dataset in dict.fromkeys(inputs.results.roles.values()):
        videos = Videos(inputs, task, dataset)
        try:
            if videos.items:
                found.append(videos)
        except (MissingInput, MediaError) as missing:
            reason = str(missing)
    if not found:
        raise MissingInput(reason)
    return found


def most_moved(truth: np.ndarray, source: np.ndarray) -> int:
    """The frame with the most pixels that differ from the source."""
    return int(moving_pixels(truth, source).mean(axis=(1, 2)).argmax())


def decibels(truth: np.ndarray, made: np.ndarray | str) -> str:
    """PSNR of one frame as a caption; empty where there is no picture."""
    if isinstance(made, str) or made.shape != truth.shape:
        return ""
    return f"{metric('psnr').clip(truth[None], made[None], truth):.1f} dB"


def shown_methods(inputs: Inputs) -> list[tuple[str, str]]:
    """(id, title) of the rows that figures show beside the truth: SeMo and, where shipped, its released weights."""
    titles = {"semo": "SeMo", "semo-released": "SeMo (released)"}
    return [(name, titles[name]) for name in titles if name in inputs.results.methods]


def compared_methods(inputs: Inputs, task: str) -> list[tuple[str, str]]:
    """(id, label) of every method of the run that does the task, in the order of the tables; controls come first."""
    results, labels = inputs.results, {"semo": "SeMo", "semo-released": "SeMo (released)"}
    chosen = []
    for name in results.methods:
        if name in BOUNDS or name.startswith("ablation-"):
            continue
        found = [m for d in dict.fromkeys(results.roles.values()) if (m := results.measured(task, d, name))]
        if found or name in labels:
            chosen.append((name, labels.get(name) or found[0].record["label"]))
    return chosen


def load_model(inputs: Inputs, method: str) -> SeMoPipeline:
    """The pipeline behind a method; raises MissingInput where its folder is absent."""
    planned = inputs.results.methods.get(method)
    weights = planned.get("weights") if planned else None
    if not weights:
        raise MissingInput(f"{method} is not part of this run")
    from semo.pipeline import SeMoPipeline

    try:
        return SeMoPipeline.from_pretrained(weights)
    except (OSError, ValueError) as error:
        raise MissingInput(f"the model of {method} cannot be loaded ({error})") from error
