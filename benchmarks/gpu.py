"""Everything there is to measure on one GPU, in one call: `python benchmarks/gpu.py`. Writes reports/gpu/.

    python benchmarks/gpu.py [--minutes 20] [--device cuda] [--data portraits-mini real] [--out reports/gpu]
    python benchmarks/gpu.py --dry          every line once at toy size, on any machine: its numbers say nothing

For each of the data (portraits-mini; real: the clips of SEMO_MEDIA, where that is set) it prepares clips, trains the
preset `small` from scratch for so many minutes in all, then measures: samples/s, floating-point operations per second
as a share of this GPU's own bf16 matrix product (model-FLOP utilisation), frames/s and latency of `stream` at 1, 2, 4
and 8 steps before and after reflow, and the PSNR of reconstructed test clips at the same steps. Codec and speech
features are the best that are here (sd-vae, taef2, patch-pca; whisper-base, logmel).

Work lies in results/gpu; a call that was cut short goes on from there. Tested on CPU by --dry alone so far: no table of
a GPU is in reports/ before somebody runs it on one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import yaml

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "workflow"), str(Path(__file__).parent)]

from gpu_measure import curve, matmul_rate, quality, step_flops, streamed  # noqa: E402
from gpu_report import write_report  # noqa: E402
from plan.networks import Networks  # noqa: E402

from semo.clips import ClipSet  # noqa: E402
from semo.pipeline import SeMoPipeline  # noqa: E402
from semo.train.settings import load_preset  # noqa: E402

DATA = {"portraits-mini": [f"portraits-mini-{subset}" for subset in ("broadcast", "street", "studio")],
        "real": [f"real-{subset}" for subset in ("broadcast", "street", "studio")]}
# Share of the minutes for each stage; reflow comes on top, with a fixed number of steps.
SHARES = {"stage1": 0.65, "stage1b": 0.15, "stage2": 0.2, "reflow": 0.0}


@dataclass(frozen=True)
class Plan:
    """What is measured, at full size or dry."""

    device: str
    minutes: float
    preset: str = "small"
    frame_size: int = 256
    steps: tuple[int, ...] = (1, 2, 4, 8)
    seconds: float = 8.0  # of sound for `stream`
    clips: int = 8  # test clips whose PSNR is taken
    matmul: int = 8192
    probe: int = 40  # steps of each stage that tell how many fit into the minutes
    reflow: int = 1000  # steps; a probe would draw the teacher's samples, too
    threads: int = 1
    settings: list[str] = field(default_factory=list)


def dry(device: str) -> Plan:
    """Toy size: every line runs in under a minute of one core."""
    return Plan(device, 0.01, "smoke", 64, (1, 2), 1.0, 1, 256, 2, 2, settings=["frame_size=64"])


def full(device: str, minutes: float) -> Plan:
    """The preset `small` with the best networks that are here."""
    weights = yaml.safe_load((PROJECT / "workflow/config/weights.yaml").read_text())["weights"]
    small = yaml.safe_load((PROJECT / "workflow/config/small.yaml").read_text())
    networks = Networks(small, weights, PROJECT)
    for note in networks.notes:
        print(f"note: {note}", file=sys.stderr)
    threads = min(8, os.cpu_count() or 1)
    return Plan(device, minutes, threads=threads, settings=[f"frame_size={small['frame_size']}", *networks.settings])


def prepare(names: list[str], plan: Plan, work: Path) -> list[Path]:
    """Clip folders of some data sets, made where they are not finished."""
    folders = []
    for name in names:
        folder = work / f"clips-{plan.frame_size}" / name
        if not (folder / "manifest.tsv").is_file():
            run_module("semo.clips", "--dataset", name, "--frame-size", plan.frame_size, "--out", folder,
                       "--threads", plan.threads)
        folders.append(folder)
    return folders


def run_module(module: str, *arguments: object) -> None:
    """One command of the workflow, as the workflow runs it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.getenv("PYTHONPATH")]))}
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, env=environment, cwd=PROJECT)


def train(stage: str, steps: int, clips: list[Path], init: Path | None, plan: Plan, out: Path) -> Path:
    """The model folder of a stage, trained where it is not finished."""
    if not (out / "model/pipeline.json").is_file():
        run_module("semo.train", stage, "--preset", plan.preset, "--steps", steps, "--clips", *clips, "--out", out,
                   "--device", plan.device, "--threads", plan.threads,
                   *(["--init", init] if init else []), "--set", *plan.settings)
    return out / "model"


def steps_for(stage: str, clips: list[Path], init: Path | None, plan: Plan, work: Path) -> int:
    """How many steps of a stage fit into its share of the minutes, from a short probe that is kept."""
    if stage == "reflow":
        return plan.reflow
    train(stage, plan.probe, clips, init, plan, work / f"probe-{stage}")
    rows = curve(work / f"probe-{stage}/curve.tsv")
    seconds = rows[-1]["seconds"] - rows[0]["seconds"]  # the first row holds the start-up of the GPU
    per_step = seconds / max(rows[-1]["step"] - rows[0]["step"], 1)
    return max(plan.probe, int(60 * plan.minutes * SHARES[stage] / per_step))


def train_all(clips: list[Path], plan: Plan, work: Path) -> dict[str, Path]:
    """Model folders by stage; each stage starts from the one before."""
    models: dict[str, Path] = {}
    init = None
    for stage in SHARES:
        steps = steps_for(stage, clips, init, plan, work)
        init = models[stage] = train(stage, steps, clips, init, plan, work / stage)
    return models


def measure(clips: list[Path], models: dict[str, Path], plan: Plan, work: Path, matmul: float) -> dict:
    """Rows of training, streaming and quality, and frames for the strips."""
    preset = load_preset(plan.preset, plan.settings)
    training = []
    for stage in models:
        last = curve(work / stage / "curve.tsv")[-1]
        training.append({"stage": stage, "steps": int(last["step"]), "samples_per_s": last["samples_per_s"],
                         "seconds": last["seconds"], "loss": last["loss"]})
    flops = step_flops(preset, clips, plan.device)
    training[0]["flops_per_sample"] = flops
    training[0]["utilisation"] = training[0]["samples_per_s"] * flops / matmul
    streaming, strips = [], {}
    dtype = torch.bfloat16 if plan.device != "cpu" else torch.float32
    for when, stage in (("before reflow", "stage2"), ("after reflow", "reflow")):
        pipeline = SeMoPipeline.from_pretrained(models[stage], plan.device, dtype)
        for steps in plan.steps:
            psnr, strips[when, steps] = quality(pipeline, clips, steps, plan.clips)
            streaming.append({"model": when, "steps": steps, **streamed(pipeline, clips, steps, plan.seconds),
                              "psnr_db": psnr})
    strips["driving", 0] = test_frames(clips)
    return {"training": training, "streaming": streaming, "strips": strips,
            "curves": {stage: curve(work / stage / "curve.tsv") for stage in models}}


def test_frames(clips: list[Path]) -> np.ndarray:
    """The first test clip, uint8 (T, S, S, 3)."""
    prepared = ClipSet(clips[0])
    return prepared.frames(prepared.select("test")[0])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of training for each of the data (20)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", nargs="+", choices=list(DATA), help="default: portraits-mini, and real where it is")
    parser.add_argument("--out", type=Path, default=PROJECT / "reports/gpu")
    parser.add_argument("--work", type=Path, default=PROJECT / "results/gpu")
    parser.add_argument("--dry", action="store_true", help="every line once at toy size, on the CPU")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    if not args.dry and args.device != "cpu" and not torch.cuda.is_available():
        print("benchmarks/gpu.py: this machine has no CUDA device; --dry runs every line at toy size on the CPU",
              file=sys.stderr)
        return 2
    plan = dry("cpu") if args.dry else full(args.device, args.minutes)
    chosen = args.data or [name for name in DATA if name != "real" or os.environ.get("SEMO_MEDIA")]
    matmul = matmul_rate(plan.device, plan.matmul)
    print(f"matrix product, bf16: {matmul / 1e12:.3g} TFLOP/s")
    found = {}
    for name in chosen:
        work = args.work / ("dry" if args.dry else "full") / name
        clips = prepare(DATA[name][-1:] if args.dry else DATA[name], plan, args.work)
        found[name] = measure(clips, train_all(clips, plan, work), plan, work, matmul)
    write_report(args.out, found, matmul, plan.device, dry=args.dry, settings=[plan.preset, *plan.settings])
    print(f"written: {args.out}")
    print(json.dumps({name: rows["streaming"][0] for name, rows in found.items()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
