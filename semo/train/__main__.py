"""Train one stage of SeMo: `python -m semo.train STAGE --preset mini --steps N --clips DIR... --out RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

import torch

from semo.codec import Codec, make_codec
from semo.corpora.lock import exclusive
from semo.pipeline import PipelineConfig, SeMoPipeline
from semo.train.data import FrameBank
from semo.train.loop import train, uses_bf16, write_config
from semo.train.processes import PREEMPTED, Preempted, own_parts, world
from semo.train.reflow import Reflow, ReflowGenerator
from semo.train.settings import Preset, load_preset
from semo.train.stage1 import Stage1, decoder_flow
from semo.train.stage1b import Stage1b
from semo.train.stage2 import Stage2
from semo.train.stream import StreamBank, is_sharded

STAGES = ("stage1", "stage1b", "stage2", "reflow")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of a training run."""
    parser = argparse.ArgumentParser(prog="python -m semo.train", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--preset", default="mini", help="a file of semo/presets")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="prepared dataset folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="model folder to start from (required after stage 1)")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="preset overrides")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--parts", type=int, help="equal parts in which each batch is computed (one per process)")
    parser.add_argument("--checkpoint-minutes", type=float, default=1.0)
    parser.add_argument("--compile", action="store_true", help="compile the networks (CUDA only)")
    return parser.parse_args(argv)


def fit_codec(preset: Preset, bank: FrameBank | StreamBank) -> Codec:
    """The codec with its statistics measured on the training frames."""
    settings = preset.codec
    return bank.fit(make_codec(settings.kind, preset.frame_size, settings.path, settings.patch, settings.rank))


def data_digest(folders: list[Path]) -> str:
    """sha256 over the manifests (or shard names) of the training data."""
    digest = hashlib.sha256()
    for folder in folders:
        manifest = folder / "manifest.tsv"
        text = manifest.read_bytes() if manifest.exists() else "\n".join(sorted(os.listdir(folder))).encode()
        digest.update(text)
    return digest.hexdigest()


def run_stage(stage: torch.nn.Module, args: argparse.Namespace, below: str = "") -> None:
    """The loop with what the command line says about it."""
    train(
        stage,
        args.steps,
        args.out / below,
        args.device,
        checkpoint_seconds=60 * args.checkpoint_minutes,
        parts=args.parts,
        compiled=args.compile,
    )


def run_stage1(args: argparse.Namespace, preset: Preset, bank: FrameBank | StreamBank) -> SeMoPipeline:
    """Stage 1a from scratch, or from --init."""
    start = SeMoPipeline.from_pretrained(args.init) if args.init else None
    if start and start.frame_size != preset.frame_size:
        raise ValueError(f"{args.init} works at {start.frame_size} px, the preset at {preset.frame_size} px")
    codec = start.codec if start else fit_codec(preset, bank)
    bank.prepare(codec, args.device)
    torch.manual_seed(args.seed)
    stage = Stage1(preset, codec, bank, args.seed)
    if start:
        stage.start_from(start.motion_encoder, start.decoder)
    run_stage(stage, args)
    stage.calibrate()
    config = PipelineConfig(
        frame_size=preset.frame_size,
        flow=decoder_flow(preset),
        sampler_steps=preset.sampler_steps,
        motion_sampler_steps=preset.motion_sampler_steps,
    )
    return SeMoPipeline(config, codec, stage.motion_encoder, stage.decoder)


def run_later(args: argparse.Namespace, preset: Preset, bank: FrameBank | StreamBank) -> SeMoPipeline:
    """Stages 1b, 2 and reflow: each replaces or adds a network of the model given by --init."""
    if args.init is None:
        raise ValueError(f"{args.stage} continues a model: pass --init with the model folder of the stage before")
    pipeline = SeMoPipeline.from_pretrained(args.init, args.device)
    torch.manual_seed(args.seed)
    if args.stage == "stage2":
        stage = Stage2(preset, pipeline, bank, args.seed)
        run_stage(stage, args)
        return stage.finished()
    bank.prepare(pipeline.codec, args.device)
    if args.stage == "stage1b":
        stage = Stage1b(preset, pipeline, bank, args.seed)
        run_stage(stage, args)
        pipeline.decoder = stage.decoder
        pipeline.config = dataclasses.replace(pipeline.config, video_frames=preset.stage1b.frames)
        return pipeline
    run_stage(Reflow(preset, pipeline, bank, args.seed), args)
    if pipeline.motion_generator is not None:
        run_stage(ReflowGenerator(preset, pipeline, bank, args.seed), args, "generator")
    return pipeline


def batch_size(stage: str, preset: Preset) -> int:
    """Samples of one optimiser step."""
    return {"stage1b": preset.stage1b.optimiser, "stage2": preset.stage2.optimiser}.get(stage, preset.stage1).batch


def provenance(args: argparse.Namespace, preset: Preset) -> dict:
    """What the model folder records of this run; nothing in it depends on the machine's speed."""
    return {
        "preset": args.preset,
        "overrides": args.set,
        "steps": args.steps,
        "seed": args.seed,
        "batch": batch_size(args.stage, preset),
        "parts": args.parts,
        "data_sha256": data_digest(args.clips),
        "bf16": uses_bf16(args.device),
    }


def main(argv: list[str] | None = None) -> None:
    """Entry point; a usage or data error ends with one sentence, SIGTERM with a checkpoint and exit code PREEMPTED."""
    args = parse(argv)
    rank, processes = world()
    args.parts = args.parts or processes
    torch.set_num_threads(args.threads)
    try:
        with exclusive(args.out) if rank == 0 else nullcontext():
            pipeline = run(args, rank, processes)
            if rank == 0:
                save(pipeline, args)
    except Preempted as stopped:
        print(f"semo.train: {stopped}", file=sys.stderr)
        sys.exit(PREEMPTED)
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"semo.train: {error}")
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def run(args: argparse.Namespace, rank: int, processes: int) -> SeMoPipeline:
    """Reads the data and trains; the main process also writes the resolved settings."""
    if args.compile and args.device == "cpu":
        raise ValueError("--compile is for CUDA: on a CPU it costs more than it gains")
    preset = load_preset(args.preset, args.set)
    own_parts(args.parts, batch_size(args.stage, preset), rank, processes)
    if rank == 0:
        settings = dataclasses.asdict(preset) | provenance(args, preset)
        write_config(args.out / "config.json", {"stage": args.stage, **settings})
    with_audio = args.stage in ("stage2", "reflow")
    streamed = is_sharded(args.clips)
    bank = StreamBank.read(args.clips, args.seed, with_audio) if streamed else FrameBank.read(args.clips, with_audio)
    if bank.frame_size != preset.frame_size:
        raise ValueError(
            f"the clips are prepared at {bank.frame_size} px and the preset works at {preset.frame_size} px; "
            "prepare them again or pass --set frame_size=..."
        )
    return run_stage1(args, preset, bank) if args.stage == "stage1" else run_later(args, preset, bank)


def save(pipeline: SeMoPipeline, args: argparse.Namespace) -> None:
    """Writes the model folder and removes what only an interrupted run needs."""
    history = dict(pipeline.config.training)
    history[args.stage] = provenance(args, load_preset(args.preset, args.set))
    pipeline.config = dataclasses.replace(pipeline.config, training=history)
    pipeline.save_pretrained(args.out / "model")
    for leftover in (args.out, args.out / "generator"):
        (leftover / "checkpoint.safetensors").unlink(missing_ok=True)
    shutil.rmtree(args.out / "model.partial", ignore_errors=True)


if __name__ == "__main__":
    main()
