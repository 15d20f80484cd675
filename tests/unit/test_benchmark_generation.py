"""The generation benchmark, on a fake model."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "generation.py"


def test_rows_of_a_model(tmp_path, monkeypatch, capsys):
    class Fake(SimpleNamespace):
        frame_size = 32
        motion_generator = object()

        def encode_decode(self, frames):
            return frames

        def reconstruct(self, source, driving, steps):
            return (frame for frame in driving)

        def talk(self, source, waveform, frames, steps):
            assert len(waveform) == frames * 640
            return (np.zeros_like(source) for _ in range(frames))

    monkeypatch.setattr("semo.pipeline.SeMoPipeline.from_pretrained", lambda folder, device: Fake())
    out = tmp_path / "speed" / "generation.tsv"
    monkeypatch.setattr(sys, "argv", ["generation.py", "--weights", "w", "--frames", "5", "--out", str(out)])
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    except SystemExit as end:
        assert end.code == 0
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert [line[0] for line in lines[1:]] == ["generation (reconstruct)", "generation (talk)"]
    assert all(float(cell) > 0 for line in lines[1:] for cell in line[2:])
    assert capsys.readouterr().out == out.read_text()
