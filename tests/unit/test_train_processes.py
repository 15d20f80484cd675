"""Batches in parts, on one process or two; a run that is told to stop, killed, or meets another one or a full disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from semo.errors import DatasetError, WriteError
from semo.train import loop
from semo.train.__main__ import main
from semo.train.data import WHOLE, FrameBank, Part
from semo.train.loop import Checkpoint, Ema, train
from semo.train.processes import PREEMPTED, Preempted, own_parts
from semo.train.stage1 import Stage1
from tests.unit.test_train import TINY, shards, stage1, weights
from tests.unit.train_data import moving_squares

LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines",
          "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")


@pytest.fixture(scope="module")
def bank() -> FrameBank:
    return moving_squares()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, bank) -> Path:
    return shards(tmp_path_factory.mktemp("data") / "squares", bank)


def command(folder: Path, run: Path, steps: int, *more: str) -> list[str]:
    return ["stage1", "--preset", "smoke", "--steps", str(steps), "--clips", str(folder), "--out", str(run),
            "--checkpoint-minutes", "0", *more, "--set", *TINY]


def trained(run: Path) -> dict[str, torch.Tensor]:
    files = sorted((run / "model").rglob("*.safetensors"))
    return {f"{file.parent.name}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def losses(run: Path) -> list[float]:
    return [float(row.split("\t")[1]) for row in (run / "curve.tsv").read_text().splitlines()[1:]]


# parts


def test_parts_are_shared_equally_or_refused():
    assert [list(own_parts(6, 24, rank, 2)) for rank in (0, 1)] == [[0, 2, 4], [1, 3, 5]]
    with pytest.raises(ValueError, match="a batch of 8 cannot be computed in 3 equal parts; choose a divisor of 8"):
        own_parts(3, 8, 0, 1)
    with pytest.raises(ValueError, match="2 processes cannot share 1 parts equally; choose a multiple of 2"):
        own_parts(1, 8, 0, 2)


def test_parts_draw_their_own_samples_and_the_first_stream_is_the_old_one(bank):
    stage = stage1(bank)
    whole, names = stage.batch(3, 0.1)
    assert torch.equal(whole.tau, stage.batch(3, 0.1, WHOLE)[0].tau) and len(names) == 16
    first, second = (stage.batch(3, 0.1, Part(index, 2))[0] for index in (0, 1))
    assert len(first.tau) == len(second.tau) == 8
    assert not torch.equal(first.noise, second.noise)


def test_gradients_of_parts_average_to_that_of_their_union(bank):
    """The loss is a mean over samples, so two halves of a batch give the gradient of the whole."""
    stage = stage1(bank, "motion_norm=layer", "mask_max=0.0").eval()
    batches = [stage.batch(0, 0.0, Part(index, 2))[0] for index in (0, 1)]
    union = type(batches[0])(**{name: None if value is None else torch.cat([value, getattr(batches[1], name)])
                                for name, value in vars(batches[0]).items()})
    stage(union).backward()
    expected = [parameter.grad.clone() for parameter in stage.parameters()]
    stage.zero_grad()
    for batch in batches:
        (stage(batch) / 2).backward()
    for parameter, gradient in zip(stage.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=1e-4)  # float32 sums in another order


# two processes


def test_two_processes_train_what_one_does_even_after_one_was_killed(tmp_path, folder):
    """Weights and losses are bit-identical: with two parts, gradients and losses have one way to be added."""
    one, two = tmp_path / "one", tmp_path / "two"
    main(command(folder, one, 14, "--parts", "2"))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    launch = [*LAUNCH, "-m", "semo.train", *command(folder, two, 14)]
    broken = subprocess.Popen(launch, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not ((two / "checkpoint.safetensors").exists() and len(losses(two)) > 3):
        assert broken.poll() is None and time.monotonic() < deadline, "the launched training never made a checkpoint"
        time.sleep(0.05)
    os.kill(int((two / ".lock").read_text().split()[1]), signal.SIGKILL)
    assert broken.wait(120) != 0
    assert not (two / "model").exists()
    done = subprocess.run(launch, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert losses(two) == losses(one)
    expected = trained(one)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained(two).items()) and expected


# ends


def stopping_at(monkeypatch, step: int) -> None:
    draw = Stage1.batch

    def batch(self, at: int, progress: float, part: Part = WHOLE):
        if at == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, at, progress, part)

    monkeypatch.setattr(Stage1, "batch", batch)


def test_a_terminated_run_saves_says_so_and_goes_on_bit_identically(tmp_path, folder, monkeypatch, capsys):
    arguments = command(folder, tmp_path / "a", 8)
    main(arguments)
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        stopping_at(patch, 4)
        with pytest.raises(SystemExit) as stopped:
            main([*command(folder, tmp_path / "b", 8), "--checkpoint-minutes", "60"])
    assert stopped.value.code == PREEMPTED
    assert "stopped after step 5 of 8; the same command goes on there" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before and not (tmp_path / "b" / "model").exists()
    main(command(folder, tmp_path / "b", 8))
    expected = trained(tmp_path / "a")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained(tmp_path / "b").items())


def test_sigterm_at_the_last_step_finishes(tmp_path, bank, monkeypatch):
    stopping_at(monkeypatch, 2)
    stage = stage1(bank)
    train(stage, 3, tmp_path)
    with pytest.raises(Preempted):
        train(stage1(bank), 4, tmp_path / "longer")


def test_two_runs_in_one_folder(tmp_path, folder):
    from semo.corpora.lock import exclusive

    with exclusive(tmp_path / "run"), pytest.raises(SystemExit) as refused:
        main(command(folder, tmp_path / "run", 2))
    assert "is at work there; wait for its end" in str(refused.value)
    assert issubclass(DatasetError, ValueError)


def test_disk_that_fills_up_while_a_checkpoint_is_written(tmp_path, bank):
    """A limit of file size is the simulated full disk: the write fails in the middle of the file."""
    stage = stage1(bank)
    optimiser, checkpoint, ema = torch.optim.AdamW(stage.parameters()), Checkpoint(tmp_path), Ema(stage, 0.0)
    checkpoint.save(stage, optimiser, ema, 3)
    state = weights(stage)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (checkpoint.path.stat().st_size // 2, limits[1]))
        with pytest.raises(WriteError, match="would exceed the size limit of this system; nothing was written"):
            checkpoint.save(stage, optimiser, ema, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert checkpoint.load(stage, optimiser, ema) == 3
    assert all(torch.equal(tensor, state[name]) for name, tensor in weights(stage).items())


def test_compiling_is_refused_on_a_cpu(tmp_path, folder):
    with pytest.raises(SystemExit, match="--compile is for CUDA"):
        main(command(folder, tmp_path / "run", 2, "--compile"))


def test_an_infinite_loss_of_one_part_names_its_clips(tmp_path, bank, monkeypatch):
    stage = stage1(bank)
    forward = stage.forward
    seen = []

    def spoiled(batch):
        seen.append(batch)
        return forward(batch) * (np.inf if len(seen) == 1 else 1)

    monkeypatch.setattr(stage, "forward", spoiled)
    with pytest.raises(FloatingPointError, match=r"stage1: the loss is inf at step 1, clips p\d"):
        loop.train(stage, 2, tmp_path, parts=2)
