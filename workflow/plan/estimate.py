"""What a run will cost: hours of cores and GPUs, and disk, from its plan and from rates measured by benchmarks/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plan.run import Run
from plan.shards import expected, shard_count

FPS = 25
BASIS = {"reflow": "stage1"}  # a stage without a count of its own costs what its network costs in another


@dataclass(frozen=True)
class Cost:
    """One line: jobs, hours of processor cores and of GPUs, bytes on disk; None where no rate is known."""

    name: str
    jobs: int
    core_hours: float | None
    gpu_hours: float | None
    bytes: float


def read_rates(path: Path) -> dict[str, Any]:
    """benchmarks/rates.yaml."""
    return yaml.safe_load(path.read_text())


def estimate(
    run: Run, entries: dict[str, dict], rates: dict[str, Any], batches: dict[str, int], root: Path
) -> list[Cost]:
    """Preparation of each data set and each training of the run. `batches`: samples of a step, by stage."""
    costs = [preparation(name, entries[name], run.config, rates, root) for name in run.datasets]
    costs += [training(stage, run.budgets[f"{stage}_steps"], run.config, rates, batches) for stage in run.stages]
    ablations = len(run.chosen_ablations)
    one = training("stage1", run.budgets["ablation_steps"], run.config, rates, batches)
    hours = [None if value is None else ablations * value for value in (one.core_hours, one.gpu_hours)]
    return [*costs, Cost("ablations", ablations, *hours, 0.0)]


def preparation(name: str, entry: dict, config: dict, rates: dict[str, Any], root: Path) -> Cost:
    """Decoding, cropping, encoding; latents of all clips where shards are planned, else lossless video."""
    clips, hours = expected(entry, root)
    frames, size = hours * 3600 * FPS, config["frame_size"]
    core_hours = hours / rates["cpu"]["prepare_times_real_time"]
    if not config["shard_clips"]:
        return Cost(f"prepare {name}", 1, core_hours, 0.0, frames * size**2 * rates["cpu"]["test_bytes_per_pixel"])
    latents = rates["latents"]
    per_frame = latents["channels"] * (size // latents["stride"]) ** 2 * latents["bytes"]
    gpu_hours = frames * rates["flops"]["encode_frame"] * (size / 256) ** 2 / rates["gpu"]["flops_per_s"] / 3600
    return Cost(f"prepare {name}", shard_count(clips, config["shard_clips"]), core_hours, gpu_hours, frames * per_frame)


def training(stage: str, steps: int, config: dict, rates: dict[str, Any], batches: dict[str, int]) -> Cost:
    """On a CPU by measured seconds, on a GPU by operations; unknown where these were not measured or counted."""
    basis = BASIS.get(stage, stage)
    if config["device"] == "cpu":
        seconds = rates["cpu"]["train_core_seconds_per_sample"].get(config["preset"], {}).get(basis)
        hours = None if seconds is None else steps * batches[stage] * seconds / 3600
        return Cost(f"train {stage}", 1, hours, 0.0, 0.0)
    flops = rates["flops"].get(config["preset"], {}).get(basis)
    hours = None if flops is None else steps * batches[stage] * flops / rates["gpu"]["flops_per_s"] / 3600
    return Cost(f"train {stage}", 1, 0.0, hours, 0.0)


def table(costs: list[Cost], rates: dict[str, Any], cores: int, gpus: int) -> str:
    """The estimate as text, with totals and what they rest on."""
    def cell(value: float | None) -> str:
        return "not known" if value is None else f"{value:.1f}"

    lines = [f"{'':<24}{'jobs':>7}{'core-hours':>12}{'GPU-hours':>12}{'TB':>9}"]
    total = Cost("total", sum(c.jobs for c in costs), sum(c.core_hours or 0 for c in costs),
                 sum(c.gpu_hours or 0 for c in costs), sum(c.bytes for c in costs))
    for cost in (*costs, total):
        lines.append(f"{cost.name:<24}{cost.jobs:>7}{cell(cost.core_hours):>12}{cell(cost.gpu_hours):>12}"
                     f"{cost.bytes / 1e12:>9.3f}")
    wall = max((total.core_hours or 0) / cores, (total.gpu_hours or 0) / gpus)
    unknown = " for what is known" if any(None in (c.core_hours, c.gpu_hours) for c in costs) else ""
    gpu = rates["gpu"]
    how = "measured" if gpu["measured"] else "assumed, not measured"
    lines += ["", f"on {cores} cores and {gpus} GPUs about {wall:.1f} hours{unknown}; source videos, generation and "
                  "metrics come on top",
              f"cores: {rates['cpu']['prepare_times_real_time']} times real time each ({rates['cpu']['machine']})",
              f"GPUs: {gpu['flops_per_s'] / 1e12:.0f} TFLOP/s each ({gpu['machine']}, {how})"]
    return "\n".join(lines)
