"""The training loop of every stage: optimiser, EMA, curves, atomic checkpoints, exact resume."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import time
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Protocol

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semo.progress import progress
from semo.train.data import WHOLE, Part
from semo.train.processes import Preempted, agree, own_parts, termination
from semo.train.settings import OptimiserSettings
from semo.video_writer import replaced_when_complete


class Stage(Protocol):
    """What a stage brings to the loop; it is an nn.Module whose trainable parameters are the ones optimised."""

    name: str
    optimiser: OptimiserSettings
    # optional `rates`: part of a parameter's name -> factor of its learning rate, 1 for all others

    def batch(self, step: int, progress: float, part: Part = WHOLE) -> tuple[object, list[str]]:
        """The batch of a step (a dataclass of tensors), or one of its parts, and its clips' names.

        A function of (seed, step, part) only. A stage that is never divided need not know parts.
        """

    def __call__(self, batch: object) -> Tensor:
        """The loss of a batch."""

    def report(self) -> dict[str, float]:
        """Figures for the curve, computed in evaluation mode."""


def uses_bf16(device: str) -> bool:
    """bf16 autocast: on CUDA, and on CPUs whose flags name bf16 instructions (measured 1.3 times faster there)."""
    if device != "cpu":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def learning_rate(settings: OptimiserSettings, step: int, steps: int) -> float:
    """Linear warm-up, then constant or cosine to zero at `steps`."""
    warm = min(1.0, (step + 1) / max(settings.warmup, 1))
    if settings.decay == "constant":
        return settings.lr * warm
    if settings.decay != "cosine":
        raise ValueError(f"optimiser decay is {settings.decay!r}; use constant or cosine")
    return settings.lr * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def to_device(batch: object, device: torch.device) -> object:
    """Moves the tensors of a batch dataclass."""
    moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in vars(batch).items()}
    return type(batch)(**moved)


class Ema:
    """Exponential moving average of the trained parameters; decay 0 keeps the parameters themselves."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.average = {n: p.detach().clone() for n, p in _trainable(module)} if decay else {}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """One step; the decay is smaller during the first steps so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in _trainable(module) if self.average else ():
            self.average[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Replace the parameters by their average."""
        for name, parameter in _trainable(module) if self.average else ():
            parameter.copy_(self.average[name])


def _trainable(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]


def _groups(module: nn.Module) -> list[dict]:
    """Trainable parameters by the factor of their learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in _trainable(module):
        factors = [factor for part, factor in getattr(module, "rates", {}).items() if part in name]
        groups.setdefault(factors[0] if factors else 1.0, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


class Checkpoint:
    """One safetensors file: module, optimiser moments, EMA and step; always the last complete one."""

    def __init__(self, folder: Path):
        self.path = folder / "checkpoint.safetensors"

    def save(self, module: nn.Module, optimiser: torch.optim.AdamW, ema: Ema, step: int) -> None:
        tensors = {f"module/{k}": v for k, v in module.state_dict().items()}
        for name, parameter in _trainable(module):
            for key, value in optimiser.state[parameter].items():
                tensors[f"optimiser/{name}/{key}"] = value
        tensors |= {f"ema/{k}": v for k, v in ema.average.items()}
        packed = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        with replaced_when_complete(self.path) as partial:
            try:
                save_file(packed, partial, metadata={"step": str(step)})
            except SafetensorError as error:
                number = re.search(r"os error (\d+)", str(error))
                raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error

    def load(self, module: nn.Module, optimiser: torch.optim.AdamW, ema: Ema) -> int:
        """Restores everything and returns the number of finished steps, 0 without a checkpoint."""
        if not self.path.exists():
            return 0
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            step = int(file.metadata()["step"])
        tensors = load_file(self.path)
        try:
            module.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("module/")})
        except RuntimeError as error:
            raise ValueError(
                f"{self.path} belongs to a model of another size; delete its folder to train from the start"
            ) from error
        for name, parameter in _trainable(module):
            prefix = f"optimiser/{name}/"
            state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            # The fused optimiser walks through memory: moments must have their parameter's layout, channels_last too.
            optimiser.state[parameter] = {
                k: torch.empty_like(parameter).copy_(v) if v.dim() else v for k, v in state.items()
            }
            if ema.average:
                ema.average[name].copy_(tensors[f"ema/{name}"])
        return step


class Curve:
    """TSV of named values per reported step; rows after a resumed step are dropped."""

    def __init__(self, path: Path, first_step: int):
        self.path = path
        rows = path.read_text().splitlines() if path.exists() else []
        self.header = rows[0] if rows else ""
        self.rows = [row for row in rows[1:] if int(row.split("\t")[0]) <= first_step]

    @property
    def seconds(self) -> float:
        """Training time recorded so far."""
        return float(self.rows[-1].split("\t")[-1]) if self.rows else 0.0

    def add(self, step: int, values: dict[str, float]) -> None:
        self.header = "\t".join(["step", *values])
        self.rows.append("\t".join([str(step), *(f"{v:.6g}" for v in values.values())]))
        partial = self.path.with_suffix(".partial")
        partial.write_text("\n".join([self.header, *self.rows]) + "\n")
        os.replace(partial, self.path)


def train(
    stage: nn.Module,
    steps: int,
    folder: Path,
    device: str = "cpu",
    report_every: int | None = None,
    checkpoint_seconds: float = 60.0,
    parts: int = 1,
    compiled: bool = False,
) -> dict[str, float]:
    """Runs `stage` (a `Stage`) for `steps` steps in `folder` and returns the last report.

    Resumes from the folder's checkpoint with bit-identical results; a loss that is not finite raises
    FloatingPointError with the step and the clips of its batch. Every batch is computed in `parts` parts whose
    gradients are averaged: one after another, or at once in the processes of `accelerate launch`. SIGTERM saves a
    checkpoint after the step at hand and raises Preempted, in all processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="bf16" if uses_bf16(device) else "no")
    settings = stage.optimiser
    own = [
        Part(index, parts)
        for index in own_parts(parts, settings.batch, accelerator.process_index, accelerator.num_processes)
    ]
    stage.to(accelerator.device)
    optimiser = torch.optim.AdamW(
        _groups(stage),
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    ema, checkpoint = Ema(stage, settings.ema), Checkpoint(folder)
    first = checkpoint.load(stage, optimiser, ema)
    curve = Curve(folder / "curve.tsv", first)
    if compiled:
        stage.compile(dynamic=True)  # masking varies the number of tokens
    wrapped, optimiser = accelerator.prepare(stage, optimiser)
    every = report_every or max(1, steps // 20)
    spent, started, saved, values = curve.seconds, time.monotonic(), time.monotonic(), {}
    shown_to = None if accelerator.is_main_process else io.StringIO()
    total, finished = steps * settings.batch, first * settings.batch
    with progress(total, "samples", stage.name, finished, stream=shown_to) as bar, termination() as asked:
        for step in range(first, steps):
            for group in optimiser.param_groups:
                group["lr"] = group["factor"] * learning_rate(settings, step, steps)
            loss, stop = _step(stage, wrapped, optimiser, accelerator, own, step, steps, asked)
            ema.update(stage, step)
            done = step + 1
            if accelerator.is_main_process and (done % every == 0 or done == steps or done == min(every, 50)):
                stage.eval()
                values = {"loss": loss, **stage.report()}
                stage.train()
                seconds = spent + time.monotonic() - started
                timing = {"samples_per_s": (done - first) * settings.batch / (seconds - spent), "seconds": seconds}
                curve.add(done, {**values, **timing})
            if accelerator.is_main_process and (stop or time.monotonic() - saved > checkpoint_seconds):
                checkpoint.save(stage, getattr(optimiser, "optimizer", optimiser), ema, done)
                saved = time.monotonic()
            if stop and done < steps:
                accelerator.wait_for_everyone()  # a launcher ends the others with the first
                raise Preempted(f"{stage.name}: stopped after step {done} of {steps}; the same command goes on there")
            shown = {k: f"{v:.2f}" for k, v in values.items() if k != "loss"}
            bar.advance(settings.batch, loss=f"{loss:.4f}", **shown)
    ema.copy_to(stage)
    stage.eval()
    return values


def _step(stage, wrapped, optimiser, accelerator, own: list[Part], step: int, steps: int, asked: Event):
    """One optimiser step; returns the mean loss of the batch, and whether a process was asked to stop."""
    total, suspects = 0.0, []
    optimiser.zero_grad()
    for part in own:
        last = part is own[-1]
        batch, clips = stage.batch(step, step / steps, *(() if part == WHOLE else (part,)))
        with nullcontext() if last else accelerator.no_sync(wrapped):
            loss = wrapped(to_device(batch, accelerator.device))
            value = float(loss.detach())
            suspects += [] if math.isfinite(value) else clips
            total += value / len(own)
            if last:
                known = agree(accelerator, total, asked.is_set())
                if not known.finite:
                    raise _diverged(stage.name, known.loss, step, suspects)
            accelerator.backward(loss if len(own) == 1 else loss / len(own))
    accelerator.clip_grad_norm_([p for _, p in _trainable(stage)], stage.optimiser.clip)
    optimiser.step()
    return known.loss, known.stop


def _diverged(name: str, loss: float, step: int, clips: list[str]) -> FloatingPointError:
    where = f"clips {', '.join(sorted(set(clips)))}" if clips else "in another process"
    return FloatingPointError(
        f"{name}: the loss is {loss} at step {step + 1}, {where}; lower the learning rate or look at these clips"
    )


def write_config(path: Path, config: dict) -> None:
    """The resolved settings of a run beside its results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
