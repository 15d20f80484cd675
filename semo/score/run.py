"""Runs a score: pairs, measures, pools, and lists what failed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from semo.errors import DatasetError, MediaError
from semo.features.cache import FeatureCache
from semo.measure import Floor, Measured, Measurer, Pair, Side, common_reasons, floor_of, set_values
from semo.media import FPS, crop_resize, iter_frames, probe
from semo.metrics import Metric, MetricError
from semo.progress import progress
from semo.provenance import sha256_file
from semo.score.videos import Pairing, Video
from semo.stats import Estimate, estimate, holm, paired_difference, sign_flip_p
from semo.tasks import sound_of_frames

LENGTHS = ("min", "strict")
SOUNDS = ("auto", "real", "fake")


@dataclass(frozen=True)
class Reading:
    """How videos are read.

    `size`: pixels a side after cutting the centre square, None for the videos' own size. `length`: of unequal videos
    `min` compares the frames both have, `strict` refuses them. `audio`: whose sound the generated video is judged with;
    `auto` is its own where it has one.
    """

    size: int | None = None
    length: str = "min"
    audio: str = "auto"


@dataclass(frozen=True)
class Row:
    """One pair: its values by metric name with `reasons` for missing ones, or the `reason` why it failed as a whole.

    `frames` compared, `dropped` of the longer video.
    """

    clip: str
    identity: str
    frames: int = 0
    dropped: int = 0
    values: dict[str, float | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Score:
    """The outcome. `estimates` of all metrics with a value; `floors` of set metrics where they were asked for;
    `no_value`: metric -> the usual reason of clips without a value."""

    metrics: list[Metric]
    rows: list[Row]
    estimates: dict[str, Estimate]
    weights: dict[str, str | None]
    not_run: dict[str, str]
    floors: dict[str, Floor] = field(default_factory=dict)
    frames: int = 0
    windows: dict[str, int] = field(default_factory=dict)
    no_value: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> list[Row]:
        return [row for row in self.rows if not row.reason]

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.reason]


@dataclass(frozen=True)
class Difference:
    """First minus second method on the clips both have; `p` adjusted by Holm over the metrics compared."""

    estimate: Estimate
    p: float
    p_holm: float


def score(
    pairing: Pairing,
    metrics: Sequence[Metric],
    reading: Reading,
    cache: FeatureCache,
    weights_dir: Path | None = None,
    device: str = "cpu",
    floor: bool = False,
    seed: int = 0,
) -> Score:
    """Measure every pair; a pair that cannot be measured is listed and the others go on.

    Raises DatasetError where none of the metrics can be computed here.
    """
    measurer = Measurer(metrics, cache, weights_dir, device)
    if not measurer.metrics:
        name, reason = next(iter(measurer.not_run.items()))
        raise DatasetError(f"none of the metrics can be computed here; {name}: {reason}")
    rows: list[Row] = []
    kept: list[Measured] = []
    with progress(len(pairing.pairs), "clips", "score") as bar:
        for real, fake in pairing.pairs:
            row, measured = _measure(measurer, real, fake, reading)
            rows.append(row)
            if measured is not None:
                kept.append(measured)
            bar.advance(1, failed=sum(bool(r.reason) for r in rows))
    done = [row for row in rows if not row.reason]
    people = [row.identity for row in done]
    sets = set_values(measurer.metrics, kept, people, seed)
    of_sets = {name: value for name, value in sets.items() if value is not None}
    groups = [m for m in measurer.metrics if m.of_set]
    return Score(
        metrics=list(measurer.metrics),
        rows=rows,
        estimates=_of_clips(measurer.metrics, done, seed) | of_sets,
        weights={m.name: measurer.weights_sha256(m) for m in measurer.metrics},
        not_run=measurer.not_run,
        floors={m.name: floor_of(m, kept, people, seed) for m in groups} if floor and kept else {},
        frames=sum(row.frames for row in done),
        windows={m.name: _windows(m, kept) for m in groups},
        no_value=common_reasons(kept),
    )


def compare(first: Score, second: Score, seed: int = 0) -> dict[str, Difference]:
    """Paired differences of two methods scored against the same true videos, for the metrics both have per clip."""
    ours, theirs = ({row.clip: row for row in s.done} for s in (first, second))
    found: dict[str, tuple[Estimate, float]] = {}
    for metric in first.metrics:
        a, b = (
            {clip: row.values[metric.name] for clip, row in rows.items() if row.values.get(metric.name) is not None}
            for rows in (ours, theirs)
        )
        common = sorted(a.keys() & b.keys())
        if metric.of_set is None and common:
            people = {clip: ours[clip].identity for clip in common}
            p = sign_flip_p([a[c] - b[c] for c in common], [people[c] for c in common], seed)
            found[metric.name] = paired_difference(a, b, people, seed), p
    adjusted = holm({name: p for name, (_, p) in found.items()})
    return {name: Difference(value, p, adjusted[name]) for name, (value, p) in found.items()}


def _of_clips(metrics: Sequence[Metric], rows: Sequence[Row], seed: int) -> dict[str, Estimate]:
    found = {}
    for metric in metrics:
        having = [(row.values[metric.name], row.identity) for row in rows if row.values.get(metric.name) is not None]
        if metric.of_set is None and having:
            found[metric.name] = estimate([v for v, _ in having], [p for _, p in having], seed)
    return found


def _windows(metric: Metric, kept: Sequence[Measured]) -> int:
    """Rows of features that a set metric of the generated side rests on."""
    return sum(max((len(a) for a in m.features[metric.network][1].values()), default=0) for m in kept)


def _measure(measurer: Measurer, real: Video, fake: Video, reading: Reading) -> tuple[Row, Measured | None]:
    try:
        counts = [probe(video.path).frames_at(FPS) for video in (real, fake)]
        frames, dropped = min(counts), max(counts) - min(counts)
        if dropped and reading.length == "strict":
            raise MetricError(f"{counts[0]} true and {counts[1]} generated frames at 25 per second (--length strict)")
        measured = measurer.measure(_pair(real, fake, frames, reading))
    except (MediaError, MetricError, ValueError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"{real.name}: {reason}", file=sys.stderr, flush=True)
        return Row(real.name, real.identity, reason=reason), None
    return Row(real.name, real.identity, frames, dropped, measured.values, measured.reasons), measured


def _pair(real: Video, fake: Video, frames: int, reading: Reading) -> Pair:
    keys = {video.path: sha256_file(video.path) for video in (real, fake)}
    heard = _sound_of(real, fake, reading.audio)
    sides = [
        Side(
            key=f"{keys[video.path]} {frames} frames, size {reading.size}",
            frames=partial(_frames, video.path, frames, reading.size),
            waveform=partial(_sound, sound, frames),
            sound_key=keys[sound] if sound else "",
        )
        for video, sound in ((real, _own_sound(real.path)), (fake, heard))
    ]
    source: Callable[[], np.ndarray] = lambda: next(_frames(real.path, 1, reading.size))  # noqa: E731
    truth: Callable[[], Mapping[str, np.ndarray] | None] = real.truth
    return Pair(real.name, real.identity, *sides, source=source, source_key="first true frame", truth=truth)


def _frames(path: Path, frames: int, size: int | None) -> Iterator[np.ndarray]:
    for frame in iter_frames(path, FPS, frames=frames):
        yield frame if size is None else crop_resize(frame, None, size)


def _own_sound(path: Path) -> Path | None:
    return path if probe(path).has_audio else None


def _sound_of(real: Video, fake: Video, audio: str) -> Path | None:
    """The file whose sound the generated video is judged with."""
    if audio == "real":
        return _own_sound(real.path)
    own = _own_sound(fake.path)
    return own if own or audio == "fake" else _own_sound(real.path)


def _sound(path: Path | None, frames: int) -> np.ndarray | None:
    return sound_of_frames(path, frames) if path else None
