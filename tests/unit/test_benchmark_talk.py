"""The benchmark of the rivals moved by sound, with a toy in their place."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import baselines.method
from baselines.blocks.talk import TalkMethod
from baselines.method import MethodUnavailable

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "talk_rivals.py"


@dataclass(frozen=True)
class Config:
    frame_size: int = 64
    codec: bool = False


class Toy(TalkMethod):
    name, mini_name, weights, official_file, needs_face = "Toy", "Toy-mini", ("toy",), "toy.pth", True
    sizes_of = {"mini": Config(), "official": Config(codec=True)}

    @staticmethod
    def build(config):
        return {"one": nn.Linear(999, 1000)}

    def ready(self, modules, config):
        if config.codec:
            raise MethodUnavailable("there is no folder of the codec")

    def talk(self, source, waveform, frames, context):
        assert source.shape == (64, 64, 3) and len(waveform) == frames * 640 and np.abs(waveform).max() > 0.1
        assert len(context.annotations["face"]()) == 1
        return (source for _ in range(frames))

    def settings(self, options):
        return {"steps": 4}


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.setattr(baselines.method, "make_method", lambda name: Toy())
    spec = importlib.util.spec_from_file_location("talk_rivals", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_has_every_column(benchmark):
    row = dict(zip(benchmark.COLUMNS, benchmark.measure("toy", "mini", 5, 1), strict=True))
    assert row["parameters_m"] == "1.0" and row["settings"] == "steps 4" and row["weights"] == "random, seed 0"
    assert float(row["seconds_per_s"]) >= 0 and float(row["first_frame_s"]) >= 0 and float(row["peak_mib"]) > 10


def test_a_method_that_cannot_run_says_why(benchmark):
    row = dict(zip(benchmark.COLUMNS, benchmark.measure("toy", "official", 5, 1), strict=True))
    assert row["weights"] == "not run: there is no folder of the codec" and row["seconds_per_s"] == "-"
