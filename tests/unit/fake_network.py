"""Adds a small network and metrics on it to the suite by one file each, as anybody would."""

from __future__ import annotations

from pathlib import Path

import pytest

import semo.features
import semo.metrics

NETWORK = '''
import numpy as np
from semo.features.base import Extractor, FrameExtractor, PairedNetwork, Session

FED = []  # (network, number of frames) of every call: what was really computed


class Colour(FrameExtractor):
    name, tier, protocol, batch = "fake-colour", "bundled", "mean colour", 4

    def __init__(self, files, device="cpu"): ...

    def frames(self, frames):
        FED.append(("colour", len(frames)))
        return frames.astype(np.float32).mean(axis=(1, 2))


class Difference(PairedNetwork):
    name, tier, protocol = "fake-difference", "bundled", "mean difference"

    def __init__(self, files, device="cpu"): ...

    def distances(self, truth, generated):
        FED.append(("difference", len(truth)))
        return np.abs(truth.astype(float) - generated).mean(axis=(1, 2, 3))


class _Loudness(Session):
    def add(self, frames): ...

    def finish(self, waveform):
        return {"loudness": np.zeros(0) if waveform is None else np.array([np.abs(waveform).mean(), len(waveform)])}


class Loudness(Extractor):
    name, tier, protocol, needs_audio = "fake-loudness", "bundled", "mean loudness", True

    def __init__(self, files, device="cpu"): ...

    def start(self):
        return _Loudness()


class Absent(Colour):
    name, protocol, shipped = "fake-absent", "never here", ("nobody-has-it.safetensors",)


NETWORKS = (Colour, Difference, Loudness, Absent)
'''

METRICS = '''
import numpy as np
from semo.frechet import frechet_distance
from semo.metrics.base import Metric

COMMON = dict(better="lower", unit="1", tier="bundled", tasks=("reconstruct",))


def distance(real, fake):
    return frechet_distance(*(np.concatenate([clip["frames"] for clip in side]) for side in (real, fake)))


def gap(pair):
    if pair.truth is not None and "gap" in pair.truth:
        return float(pair.truth["gap"])
    return float(np.abs(pair.real["frames"].mean(0) - pair.fake["frames"].mean(0)).max())


def loudness(pair):
    return float(pair.fake["loudness"][0]) if len(pair.fake["loudness"]) else None


METRICS = (
    Metric(name="fd_colour", label="FD-colour", level="set", variant="v", protocol="p1", network="fake-colour",
           of_set=distance, stands_for="fid", enough=(1000, "frames", "nobody"), **COMMON),
    Metric(name="colour_gap", label="Colour gap", level="clip", variant="v", protocol="p2", network="fake-colour",
           of_clip=gap, **COMMON),
    Metric(name="net_difference", label="Net difference", level="frame", variant="v", protocol="p3",
           network="fake-difference", **COMMON),
    Metric(name="heard", label="Heard", level="clip", variant="v", protocol="p4", network="fake-loudness",
           of_clip=loudness, **COMMON),
    Metric(name="absent", label="Absent", level="clip", variant="v", protocol="p5", network="fake-absent",
           of_clip=gap, **COMMON),
)
'''


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put network and metrics into the packages' search paths and forget what was scanned before."""
    for package, name, text in ((semo.features, "fake_net", NETWORK), (semo.metrics, "fake_metrics", METRICS)):
        (folder / name).mkdir()
        (folder / name / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder / name)])
    forget()


def forget() -> None:
    semo.features.all_networks.cache_clear()
    semo.metrics.all_metrics.cache_clear()
