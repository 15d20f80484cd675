"""What a run will cost: jobs, hours of cores and GPUs, disk, from its plan and from measured rates.

The rates are those of benchmarks/rates.yaml. What was never measured is None and is named, not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plan import needs
from plan.run import Run
from plan.shards import expected, shard_count

FPS = 25
BASIS = {"reflow": "stage1"}  # on a GPU a stage without a count of its own costs what its network costs in another
STAGE_BATCH = {"stage1": "stage1", "stage1b": "stage1b", "stage2": "stage2", "reflow": "stage1"}
UNTIMED = 6  # jobs beside tables and figures: resolved config, page, audit, two of the web page, the target itself


@dataclass(frozen=True)
class Cost:
    """One line: `rule` as Snakemake counts its `jobs`; hours are None where no rate is known."""

    rule: str
    name: str
    jobs: int
    core_hours: float | None
    gpu_hours: float | None = 0.0
    bytes: float = 0.0

    @property
    def known(self) -> bool:
        return None not in (self.core_hours, self.gpu_hours)


def read_rates(root: Path) -> dict[str, Any]:
    """benchmarks/rates.yaml."""
    return yaml.safe_load((root / "benchmarks/rates.yaml").read_text())


def batches(preset: str, root: Path) -> dict[str, int]:
    """Samples of a step, by stage, as the preset's file states them."""
    data = yaml.safe_load((root / f"semo/presets/{preset}.yaml").read_text())
    return {stage: data[key].get("optimiser", data[key])["batch"] for stage, key in STAGE_BATCH.items()}


def estimate(
    run: Run, entries: dict[str, dict], rates: dict[str, Any], batch: dict[str, int], root: Path
) -> list[Cost]:
    """Every line of the run, from nothing. `entries` of datasets.yaml; `batch`: samples of a step, by stage."""
    lines = [preparation(name, entries[name], run.config, rates, root) for name in run.datasets]
    lines += [training(stage, run.budgets[f"{stage}_steps"], run.config, rates, batch) for stage in run.stages]
    lines += _ablations(run, rates, batch)
    lines += [*_drift(run, rates, batch), *_objects(run, rates, batch)]
    lines += [_timed(run.config, rates, "train", rival, run.budgets["rival_steps"], rule="train_rival")
              for rival in run.trained_rivals]  # fmt: skip
    lines += _videos(run, entries, rates, root)
    made = {"table": "reports/tables/*.yaml", "figure": "semo/report/figures/[a-z]*.py"}
    lines += [Cost(rule, f"{rule}s", len(list(root.glob(files))), None) for rule, files in made.items()]
    return [*lines, Cost("other", "pages", UNTIMED, None)]


def preparation(name: str, entry: dict, config: dict, rates: dict[str, Any], root: Path) -> Cost:
    """Decoding, cropping, encoding; latents of all clips where shards are planned, else lossless video."""
    clips, hours = expected(entry, root)
    frames, size = hours * 3600 * FPS, config["frame_size"]
    core_hours, title = hours / rates["cpu"]["prepare_times_real_time"], f"prepare {name}"
    if not config["shard_clips"]:
        stored = frames * size**2 * rates["cpu"]["test_bytes_per_pixel"]
        return Cost("prepare_clips", title, 1, core_hours, 0.0, stored)
    latents = rates["latents"]
    per_frame = latents["channels"] * (size // latents["stride"]) ** 2 * latents["bytes"]
    gpu_hours = frames * rates["flops"]["encode_frame"] * (size / 256) ** 2 / rates["gpu"]["flops_per_s"] / 3600
    jobs = shard_count(clips, config["shard_clips"])
    return Cost("prepare_shard", title, jobs, core_hours, gpu_hours, frames * per_frame)


def training(stage: str, steps: int, config: dict, rates: dict[str, Any], batch: dict[str, int]) -> Cost:
    """A stage of SeMo: on a CPU by measured seconds, on a GPU by operations."""
    if config["device"] == "cpu":
        return _timed(config, rates, "train", stage, steps)
    flops = rates["flops"].get(config["preset"], {}).get(BASIS.get(stage, stage))
    hours = None if flops is None else steps * batch[stage] * flops / rates["gpu"]["flops_per_s"] / 3600
    return Cost("train", f"train {stage}", 1, 0.0, hours)


def table(lines: list[Cost], rates: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) for people: jobs, hours, disk, what is missing from them, and what they rest on."""
    kinds = Counter[str]()
    for line in lines:
        kinds[line.rule] += line.jobs
    yield "jobs", f"{kinds.total()} ({', '.join(f'{count} {rule}' for rule, count in kinds.items() if count)})"
    core, gpu = sum(line.core_hours or 0 for line in lines), sum(line.gpu_hours or 0 for line in lines)
    yield "core-hours", f"{core:.1f} from nothing (rates of {rates['cpu']['machine']})"
    if gpu:
        how = "measured" if rates["gpu"]["measured"] else "assumed, not measured"
        yield (
            "GPU-hours",
            f"{gpu:.0f} at {rates['gpu']['flops_per_s'] / 1e12:.0f} TFLOP/s ({rates['gpu']['machine']}, {how})",
        )
    stored = sum(line.bytes for line in lines)
    yield "prepared data", f"{stored / 1e12:.2f} TB" if stored > 1e11 else f"{stored / 1e9:.2f} GB"
    if unknown := [line.name for line in lines if not line.known]:
        yield "not measured", ", ".join(unknown)


def _ablations(run: Run, rates: dict[str, Any], batch: dict[str, int]) -> list[Cost]:
    count, steps = len(run.chosen_ablations), run.budgets["ablation_steps"]
    if not count:
        return []
    one = _single_stage(run, steps, rates, batch)
    core, gpu = (None if hours is None else count * hours for hours in (one.core_hours, one.gpu_hours))
    return [Cost("train_ablation", "train ablations", count, core, gpu)]


def _drift(run: Run, rates: dict[str, Any], batch: dict[str, int]) -> list[Cost]:
    jobs = len(run.figure_models("drift"))
    one = training("stage2", run.budgets["drift_steps"], run.config, rates, batch)
    core, gpu = (None if hours is None else jobs * hours for hours in (one.core_hours, one.gpu_hours))
    return [Cost("train_drift", "train drift", jobs, core, gpu)] if jobs else []


def _objects(run: Run, rates: dict[str, Any], batch: dict[str, int]) -> list[Cost]:
    """Clips of one and of two objects, and stage 1 on them."""
    if not run.figure_models("objects"):
        return []
    one = _single_stage(run, run.budgets["objects_steps"], rates, batch)
    rendered = _timed(run.config, rates, "render", "objects", amount=2, jobs=2, rule="render_objects")
    return [rendered, Cost("train_objects", "train objects", 1, one.core_hours, one.gpu_hours)]


def _single_stage(run: Run, steps: int, rates: dict[str, Any], batch: dict[str, int]) -> Cost:
    """One training of stage 1 on one thread, as ablations are."""
    if run.config["device"] == "cpu":
        return _timed(run.config, rates, "train", "ablation", steps)
    return training("stage1", steps, run.config, rates, batch)


def _videos(run: Run, entries: dict[str, dict], rates: dict[str, Any], root: Path) -> list[Cost]:
    """Generation by method, evaluation by task."""
    work: dict[tuple[str, str], list[int]] = {}
    for task, dataset, method in run.measured():
        frames = needs.test_videos(entries[dataset], task, run.budgets["eval_clips"], root)
        frames *= run.budgets["eval_frames"] or needs.ASSUMED_FRAMES
        for key in (("generate", run.methods[method].plugin), ("evaluate", task)):
            work.setdefault(key, []).append(frames)
    return [
        _timed(run.config, rates, rule, what, sum(frames), jobs=len(frames)) for (rule, what), frames in work.items()
    ]


def _timed(
    config: dict, rates: dict[str, Any], kind: str, what: str, amount: float, jobs: int = 1, rule: str | None = None
) -> Cost:
    """So many steps or frames at the measured core-seconds of the preset; unknown on a GPU."""
    rate = (
        rates["core_seconds"].get(config["preset"], {}).get(kind, {}).get(what) if config["device"] == "cpu" else None
    )
    return Cost(rule or kind, f"{kind} {what}", jobs, None if rate is None else rate * amount / 3600)
