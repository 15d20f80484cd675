"""benchmarks/gpu.py at toy size on made-up clips: every step from clips to report, and a second call that goes on."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from semo.clips import Clip, CrossPair, write_table
from semo.media import write_lossless

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SIZE, FRAMES = 64, 40


@pytest.fixture(scope="module")
def gpu():
    sys.path.insert(0, str(BENCHMARKS))
    import gpu

    yield gpu
    sys.path.remove(str(BENCHMARKS))


def made_up_clips(folder: Path) -> None:
    """Two training clips and a test clip of a moving square, with a tone."""
    rows = []
    for index, split in enumerate(("train", "train", "test")):
        frames = np.full((FRAMES, SIZE, SIZE, 3), 60, np.uint8)
        for t in range(FRAMES):
            frames[t, 20:40, (t + 9 * index) % 40 :][:, :20] = 200
        tone = 0.3 * np.sin(np.arange(FRAMES * 640) * 0.1 * (index + 1))
        name = f"made-p{index}-c0"
        write_lossless(folder / "clips" / f"{name}.mkv", frames, audio=tone.astype(np.float32))
        rows.append(Clip(name, f"p{index}", split, f"{name}.mp4", 0.0, FRAMES, 25.0, 0, 0, SIZE, True, "0" * 64, "CC0"))
    write_table(folder / "cross.tsv", CrossPair, [])
    (folder / "dataset.json").write_text(json.dumps({"dataset": "made", "frame_size": SIZE}))
    write_table(folder / "manifest.tsv", Clip, rows)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_one_call_makes_the_whole_report(gpu, tmp_path, monkeypatch):
    from semo.train.__main__ import main as train

    ran = []

    def in_this_process(module, *arguments):
        assert module == "semo.train"
        ran.append(arguments[0])
        train([str(argument) for argument in arguments])

    monkeypatch.setattr(gpu, "run_module", in_this_process)
    work, out = tmp_path / "work", tmp_path / "report"
    made_up_clips(work / "clips-64/portraits-mini-studio")
    call = ["--dry", "--data", "portraits-mini", "--work", str(work), "--out", str(out)]
    assert gpu.main(call) == 0
    assert ran == ["stage1", "stage1", "stage1b", "stage1b", "stage2", "stage2", "reflow"]  # a probe, then the stage

    training = rows_of(out / "training-portraits-mini.tsv")
    assert [row["stage"] for row in training] == ["stage1", "stage1b", "stage2", "reflow"]
    assert 0 < float(training[0]["utilisation"]) < 1
    streaming = rows_of(out / "streaming-portraits-mini.tsv")
    assert [(row["model"], row["steps"]) for row in streaming] == [
        (when, steps) for when in ("before reflow", "after reflow") for steps in ("1", "2")
    ]
    for row in streaming:
        assert float(row["frames_per_s"]) > 0
        assert float(row["latency_ms"]) > float(row["window_ms"]) == 640  # 16 frames of sound come first
    assert {path.name for path in out.glob("*.png")} == {"curves-portraits-mini.png", "strips-portraits-mini.png"}
    record = json.loads((out / "record.json").read_text())
    assert record["dry"] and record["commit"] and record["matmul_bf16_tflops"] > 0
    assert (out / "README.md").read_text().startswith("# Toy size: these numbers say nothing")

    assert gpu.main(call) == 0
    assert len(ran) == 7  # nothing is trained twice


def test_flops_grow_with_the_model(gpu, tmp_path):
    """Every block of the decoder costs the same."""
    from gpu_measure import step_flops

    from semo.train.settings import load_preset

    made_up_clips(tmp_path)
    presets = [load_preset("smoke", [f"decoder.depth={depth}"]) for depth in (1, 2, 3)]
    first, second, third = (step_flops(preset, [tmp_path], "cpu") for preset in presets)
    assert second - first == pytest.approx(third - second) and second > first > 0


def test_settings_are_those_of_the_config(gpu, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    plan = gpu.full("cuda", 5.0)
    assert plan.preset == "small" and plan.steps == (1, 2, 4, 8)
    assert plan.settings[0] == "frame_size=256"
    assert any(setting.startswith("codec.kind=") for setting in plan.settings)


def test_without_a_gpu_it_says_so(gpu, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert gpu.main([]) == 2
    assert "has no CUDA device; --dry" in capsys.readouterr().err
