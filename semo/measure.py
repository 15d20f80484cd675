"""Measures pairs of a true and a generated video: one decode of each feeds every metric and every network.

`semo.evaluate` (the workflow) and `semo.score` (videos made by anybody) both use it, so their numbers are the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from semo.errors import DatasetError
from semo.features.base import Extractor, Features, PairedNetwork, Session
from semo.features.cache import FeatureCache, key
from semo.features.loading import Opened, open_network
from semo.metrics import Metric, MetricError, check_comparable
from semo.metrics.base import ClipFeatures
from semo.stats import Estimate, set_estimate

CHUNK = 32
WIDE = 512          # above so many dimensions a Frechet distance takes seconds, so fewer draws are made
DRAWS_WIDE = 40


@dataclass(frozen=True)
class Side:
    """One video of a pair, read at 25 frames per second.

    `key` names its bytes and the way they are read; `sound_key` those of `waveform`, which returns float32 mono 16 kHz
    as long as the frames, or None where there is no sound.
    """

    key: str
    frames: Callable[[], Iterator[np.ndarray]]
    waveform: Callable[[], np.ndarray | None]
    sound_key: str = ""


@dataclass(frozen=True)
class Pair:
    """What is compared. `source`: the frame the video was generated from, uint8 (H, W, 3), named by `source_key`;
    `truth`: annotations of the true video's motion."""

    id: str
    identity: str
    real: Side
    fake: Side
    source: Callable[[], np.ndarray]
    source_key: str = ""
    truth: Callable[[], Mapping[str, np.ndarray] | None] = field(default=lambda: None)


@dataclass(frozen=True)
class Measured:
    """Values of one pair by metric name, None where the pair has no value; features for the set metrics.

    `reasons`: metric -> why it has no value, where the metric can tell.
    """

    values: dict[str, float | None]
    features: dict[str, tuple[Features, Features]]
    reasons: dict[str, str] = field(default_factory=dict)


class Measurer:
    """Measures pairs one after the other with the given metrics.

    `not_run` names the metrics whose network cannot be opened here, with the reason; `metrics` are the others.
    """

    def __init__(
        self,
        metrics: Iterable[Metric],
        cache: FeatureCache | None = None,
        weights_dir: Path | None = None,
        device: str = "cpu",
    ):
        self.cache = cache or FeatureCache(None)
        self.networks: dict[str, Opened] = {}
        self.not_run: dict[str, str] = {}
        self.metrics: list[Metric] = []
        absent: dict[str, str] = {}
        for metric in metrics:
            name = metric.network
            if name and name not in self.networks and name not in absent:
                try:
                    self.networks[name] = open_network(name, weights_dir, device)
                except DatasetError as error:
                    absent[name] = str(error)
            if name in absent:
                self.not_run[metric.name] = absent[name]
            else:
                self.metrics.append(metric)
        self.paired = [m for m in self.metrics if m.of_clip is None and m.of_set is None]
        wanted = dict.fromkeys(m.network for m in self.metrics if m.of_clip or m.of_set)
        self.extractors = {name: self.networks[name] for name in wanted}

    def weights_sha256(self, metric: Metric) -> str | None:
        """sha256 over the weights behind a metric, None for one without a network."""
        return self.networks[metric.network].weights_sha256 if metric.network else None

    def measure(self, pair: Pair) -> Measured:
        """All values of one pair. Raises MediaError for an unreadable video, MetricError for one that cannot be
        compared, which includes a value that is not a finite number."""
        names = {m.name: self._value_key(m, pair) for m in self.paired}
        kept = {m.name: self.cache.value(names[m.name]) for m in self.paired}
        values: dict[str, float | None] = {name: found[0] for name, found in kept.items() if found is not None}
        features, missing = self._kept_features(pair)
        todo = [m for m in self.paired if m.name not in values]
        if todo or missing:
            fresh, made = self._decode(pair, todo, missing)
            for metric in todo:
                self.cache.keep_value(names[metric.name], fresh[metric.name])
            values |= fresh
            features |= made
        reasons = self._of_clips(pair, values, features)
        for name, value in values.items():
            if value is not None and not math.isfinite(value):
                raise MetricError(f"{name} is {value}, not a finite number")
        needed = {m.network for m in self.metrics if m.of_set}
        return Measured(values, {n: (features[n, "real"], features[n, "fake"]) for n in needed}, reasons)

    def _value_key(self, metric: Metric, pair: Pair) -> str:
        network = self.networks[metric.network].sha256 if metric.network else ""
        return key(metric.name, metric.protocol, network, pair.real.key, pair.fake.key, pair.source_key)

    def _feature_key(self, opened: Opened, side: Side) -> str:
        sound = side.sound_key if getattr(opened.network, "needs_audio", False) else ""
        return key(opened.sha256, side.key, sound)

    def _kept_features(self, pair: Pair) -> tuple[dict[tuple[str, str], Features], list[tuple[str, str]]]:
        """Features by (network, side) that the cache has, and those it has not."""
        found: dict[tuple[str, str], Features] = {}
        missing = []
        for name, opened in self.extractors.items():
            for which, side in (("real", pair.real), ("fake", pair.fake)):
                kept = self.cache.features(self._feature_key(opened, side))
                if kept is None:
                    missing.append((name, which))
                else:
                    found[name, which] = kept
        return found, missing

    def _decode(
        self, pair: Pair, todo: Sequence[Metric], missing: Sequence[tuple[str, str]]
    ) -> tuple[dict[str, float | None], dict[tuple[str, str], Features]]:
        """Read what is needed once, in lockstep, and feed it to metrics and sessions."""
        sides = {"real": pair.real, "fake": pair.fake}
        read = [which for which in sides if todo or any(side == which for _, side in missing)]
        sessions: dict[tuple[str, str], Session] = {}
        for name, which in missing:
            network = self.extractors[name].network
            assert isinstance(network, Extractor)
            sessions[name, which] = network.start()
        parts: dict[str, list[np.ndarray]] = {m.name: [] for m in todo}
        source = pair.source() if todo else None
        for chunks in zip_longest(*(_chunks(sides[which].frames()) for which in read)):
            together = dict(zip(read, chunks, strict=True))
            if todo:
                assert source is not None
                self._add_pair(together["real"], together["fake"], source, todo, parts)
            for (_, which), session in sessions.items():
                if together[which] is not None:
                    session.add(together[which])
        if todo and not parts[todo[0].name]:
            raise MetricError("the clip has no frames")
        values = {m.name: m.pool(np.concatenate(parts[m.name])) for m in todo}
        sounds = {which: sides[which].waveform() for which in {w for n, w in sessions if self._hears(n)}}
        made = {}
        for (name, which), session in sessions.items():
            made[name, which] = session.finish(sounds.get(which) if self._hears(name) else None)
            self.cache.keep_features(self._feature_key(self.extractors[name], sides[which]), made[name, which])
        return values, made

    def _hears(self, name: str) -> bool:
        return bool(getattr(self.extractors[name].network, "needs_audio", False))

    def _add_pair(
        self,
        real: np.ndarray | None,
        fake: np.ndarray | None,
        source: np.ndarray,
        todo: Sequence[Metric],
        parts: dict[str, list[np.ndarray]],
    ) -> None:
        if real is None or fake is None or len(real) != len(fake):
            raise MetricError("the two videos differ in length")
        check_comparable(real, fake, source)
        for metric in todo:
            if metric.frames is not None:
                parts[metric.name].append(metric.frames(real, fake, source))
            else:
                network = self.networks[metric.network].network
                assert isinstance(network, PairedNetwork)
                parts[metric.name].append(network.distances(real, fake)[:, None])

    def _of_clips(
        self, pair: Pair, values: dict[str, float | None], features: Mapping[tuple[str, str], Features]
    ) -> dict[str, str]:
        """Add the values of metrics of single clips; returns why some have none."""
        metrics = [m for m in self.metrics if m.of_clip]
        truth = pair.truth() if metrics else None
        reasons = {}
        for metric in metrics:
            assert metric.of_clip is not None
            clip = ClipFeatures(features[metric.network, "real"], features[metric.network, "fake"], truth)
            values[metric.name] = metric.of_clip(clip)
            reason = metric.why_none(clip) if metric.why_none and values[metric.name] is None else None
            if reason:
                reasons[metric.name] = reason
        return reasons


def common_reasons(measured: Iterable[Measured]) -> dict[str, str]:
    """Metric -> the most frequent reason why a clip has no value."""
    counts: dict[str, Counter[str]] = {}
    for found in measured:
        for name, reason in found.reasons.items():
            counts.setdefault(name, Counter())[reason] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in counts.items()}


def set_values(
    metrics: Iterable[Metric], measured: Sequence[Measured], people: Sequence[str], seed: int = 0
) -> dict[str, Estimate | None]:
    """Every set metric over many clips, with its interval; None where it has no value. Clips in a fixed order."""
    found: dict[str, Estimate | None] = {}
    for metric in metrics:
        if metric.of_set is None:
            continue
        real, fake = ([m.features[metric.network][side] for m in measured] for side in (0, 1))
        value = metric.of_set(real, fake) if measured else None
        if value is not None and not math.isfinite(value):
            raise MetricError(f"{metric.name} is {value}, not a finite number")
        draws = DRAWS_WIDE if _width(real) > WIDE else None
        found[metric.name] = None if value is None else _interval(metric, value, real, fake, people, seed, draws)
    return found


@dataclass(frozen=True)
class Floor:
    """`real`: a set metric between two halves of the true clips, whole people each; `fake`: between the first half's
    true and the second half's generated clips, so that both have the same size and only their source differs."""

    real: float | None
    fake: float | None
    clips: int


def floor_of(metric: Metric, measured: Sequence[Measured], people: Sequence[str], seed: int = 0) -> Floor:
    """What equally many true clips score against other true clips. Clips in a fixed order."""
    assert metric.of_set is not None
    order = np.random.default_rng(seed).permutation(sorted(set(people)))
    first = set(order[: len(order) // 2])
    left = [m.features[metric.network][0] for m, person in zip(measured, people, strict=True) if person in first]
    right = [m.features[metric.network] for m, person in zip(measured, people, strict=True) if person not in first]
    if not left or not right:
        return Floor(None, None, 0)
    values = (metric.of_set(left, [sides[which] for sides in right]) for which in (0, 1))
    return Floor(*values, clips=min(len(left), len(right)))


def _interval(metric, value, real, fake, people, seed, draws) -> Estimate:
    resampled = getattr(metric.of_set, "resampled", None)

    def again(chosen: Sequence[np.ndarray]) -> list[float | None]:
        if resampled is not None:
            return resampled(real, fake, chosen)
        return [metric.of_set([real[i] for i in clips], [fake[i] for i in clips]) for clips in chosen]

    return set_estimate(value, again, people, seed, **({} if draws is None else {"draws": draws}))


def _width(features: Sequence[Features]) -> int:
    return max((array.shape[-1] for clip in features for array in clip.values() if array.ndim > 1), default=0)


def _chunks(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames -> uint8 (at most CHUNK, H, W, 3)."""
    while batch := list(islice(frames, CHUNK)):
        if any(frame.shape != batch[0].shape for frame in batch):
            raise MetricError("the size of the frames changes inside the video")
        yield np.stack(batch)
