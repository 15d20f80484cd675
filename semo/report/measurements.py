"""What a run left behind: per-clip metrics with their records, training curves and configs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from semo.report.definitions import ROLE_NAMES, ReportError, read_tsv
from semo.stats import Estimate

SIZES = ("mini", "official")  # of rivals: folders between a run and its stages
BOUNDS = ("copy-reference", "codec")
CONTROLS = ("other-motion", "mean-motion")  # SeMo's decoder with motion that nobody made from the sound
NOT_COMPARED = (*BOUNDS, *CONTROLS)
SEMO_STAGES = ("stage1", "stage1b", "stage2", "reflow")
DEFAULT_METHODS = (*BOUNDS, "semo")
# rivals as the paper's Tables 2 and 3 list them
PAPER_ORDER = (
    *("fomm", "mraa", "tpsmm", "lia", "liveportrait"),
    *("aniportrait", "hallo2", "sadtalker", "anitalker", "echomimic"),
)


@dataclass(frozen=True)
class Measured:
    """Per-clip values of one (task, data set, method) and the record of how they were made.

    `metrics`: protocol and weights of each metric; `not_run`: metric -> why it could not be computed; `no_value`:
    metric -> the usual reason of clips without a value.
    """

    rows: list[dict[str, str]]
    record: dict[str, Any]
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    no_value: dict[str, str] = field(default_factory=dict)

    def of_set(self, metric: str) -> Estimate | None:
        """The value of all clips together, for metrics that have none of a single clip."""
        return Estimate(**self.sets[metric]) if metric in self.sets else None

    def values(self, metric: str) -> dict[str, float]:
        """Clip id -> value, for clips that have one."""
        return {row["clip"]: float(row[metric]) for row in self.rows if row.get(metric, "") != ""}

    @cached_property
    def people(self) -> dict[str, str]:
        """Clip id -> person."""
        return {row["clip"]: row["identity"] for row in self.rows}


@dataclass(frozen=True)
class TrainingRun:
    """One training stage: its folder names, its config and its curve (columns as written by the loop)."""

    run: str
    stage: str
    config: dict[str, Any]
    curve: list[dict[str, str]]

    @property
    def order(self) -> int:
        """Place among the stages of its run."""
        stages = self.config.get("stages", SEMO_STAGES)
        return stages.index(self.stage) if self.stage in stages else len(stages)

    def last(self, column: str) -> float | None:
        """The last value of a column, or None where the curve has none."""
        for row in reversed(self.curve):
            if row.get(column, "") not in ("", "nan"):
                return float(row[column])
        return None


@dataclass(frozen=True)
class Results:
    """A config with the results folder of its run."""

    config: dict[str, Any]
    folder: Path
    _cache: dict[tuple[str, str, str], Measured | None] = field(default_factory=dict)

    @property
    def roles(self) -> dict[str, str]:
        """Role -> data set id, enabled ones only, in the paper's order."""
        found = self.config.get("enabled_roles") or self.config.get("datasets", {})
        return dict(sorted(found.items(), key=lambda item: ([*ROLE_NAMES, item[0]].index(item[0]), item[0])))

    @property
    def tier(self) -> str:
        """Networks behind the metrics of this run."""
        return str(self.config.get("tier", "reference"))

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Method id -> what the plan says of it: bounds, rivals, SeMo, released weights, ablation runs."""
        planned = self.config.get("methods")
        planned = planned if planned is not None else {name: {} for name in DEFAULT_METHODS}
        return dict(sorted(planned.items(), key=lambda item: _place(item[0])))

    def measured(self, task: str, dataset: str, method: str) -> Measured | None:
        """None where there is no table for it."""
        key = (task, dataset, method)
        if key not in self._cache:
            self._cache[key] = self._read(*key)
        return self._cache[key]

    def does(self, method: str, task: str) -> bool:
        """Whether the plan has the method do the task; a plan that does not say counts as yes."""
        tasks = self.methods.get(method, {}).get("tasks")
        return tasks is None or task in tasks

    def externals(self, task: str) -> list[str]:
        """Methods scored from folders of videos: not in the plan, found by their records."""
        found = set()
        for dataset in set(self.roles.values()):
            for path in sorted((self.folder / "metrics" / task / dataset).glob("*.json")):
                if path.stem not in self.methods and _json(path)["run"].get("plugin") == "external":
                    found.add(path.stem)
        return sorted(found)

    @cached_property
    def training(self) -> list[TrainingRun]:
        """All training stages found, sorted by run; stages of a run in order of training."""
        found = []
        train = self.folder / "train"
        # <run>/<stage>/, and for rivals trained in stages <run>/<size>/<stage>/
        for curve in sorted([*train.glob("*/*/curve.tsv"), *train.glob("*/*/*/curve.tsv")]):
            config = curve.with_name("config.json")
            settings = _json(config) if config.is_file() else {}
            run, size, *inner = curve.relative_to(train).parts[:-1]
            stage = inner[0] if inner and size in SIZES else "/".join((size, *inner))
            found.append(TrainingRun(run, stage, settings, _derived(read_tsv(curve))))
        return sorted(found, key=lambda t: (t.run != "semo", t.run, t.order))

    def _read(self, task: str, dataset: str, method: str) -> Measured | None:
        path = self.folder / "metrics" / task / dataset / f"{method}.tsv"
        if not path.is_file():
            return None
        beside = path.with_suffix(".json")
        if not beside.is_file():
            raise ReportError(f"{beside} is missing beside {path.name}: measure again")
        content = _json(beside)
        parts = {name: content.get(name, {}) for name in ("metrics", "sets", "not_run", "no_value")}
        return Measured(read_tsv(path), content["run"], **parts)


def _place(method: str) -> tuple[int, list[tuple[int, str]]]:
    """Where a method stands in a table; numbers inside names count as numbers (T1D32 before T1D128)."""
    group = 1
    if method in NOT_COMPARED:
        group = 0
    elif method.startswith("ablation-"):
        group = 4
    elif method.endswith("-released"):
        group = 3
    elif method == "semo":
        group = 2
    if method in PAPER_ORDER:
        return group, [(PAPER_ORDER.index(method) - len(PAPER_ORDER), "")]
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", method)]
    return group, parts if group else [(NOT_COMPARED.index(method), "")]


def _derived(curve: list[dict[str, str]]) -> list[dict[str, str]]:
    """The curve with two columns more, where it has what they follow from.

    `sound_share`: what other sound adds to the error of a stage that listens, as a share of it. `moving_gain`: PSNR of
    moving pixels less that of copying the source, in dB; stages choose their own pairs of frames.
    """
    error = next((column for row in curve[:1] for column in row if column.endswith("_error")), None)
    for row in curve:
        if error and row.get("sound_use") and row[error] and float(row[error]) > 0:
            row["sound_share"] = str(float(row["sound_use"]) / float(row[error]))
        if row.get("psnr_moving") and row.get("psnr_moving_copy"):
            row["moving_gain"] = str(float(row["psnr_moving"]) - float(row["psnr_moving_copy"]))
    return curve


def load_config(path: Path) -> dict[str, Any]:
    """A resolved config. Raises ReportError where it is not one."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or "datasets" not in content:
        raise ReportError(f"{path} is not a config: the key `datasets` is missing")
    return content


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"{path} is not JSON: {error}") from error
