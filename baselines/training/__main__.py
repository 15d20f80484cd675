"""Train one rival from scratch: `python -m baselines.training fomm --steps N --clips DIR... --out RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

import baselines
from baselines.checkpoints import save_modules
from baselines.training.perceptual import feature_maps
from baselines.training.stage import PairStage
from semo.clips import ClipSet
from semo.media import to_float, to_uint8
from semo.train.__main__ import data_digest
from semo.train.data import FrameBank
from semo.train.loop import train, write_config
from semo.video_writer import replaced_when_complete


def trainable() -> list[str]:
    """Ids of the rivals with a recipe, those with a training.py."""
    files = (path for root in baselines.__path__ for path in Path(root).glob("*/training.py"))
    return sorted(path.parent.name.replace("_", "-") for path in files)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of a training run."""
    parser = argparse.ArgumentParser(prog="python -m baselines.training", description=__doc__)
    parser.add_argument("method", choices=trainable())
    parser.add_argument("--size", default="mini", help="a key of the method's SIZES: mini, or official on a GPU")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="prepared data set folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(argv)


def part(method: str, name: str) -> ModuleType:
    """A module of the method's folder: `config` or `training`."""
    return importlib.import_module(f"baselines.{method.replace('-', '_')}.{name}")


def make_stage(method: str, size: str, bank: FrameBank, maps: Any, seed: int) -> PairStage:
    """The recipe of a method with fresh networks. Raises ValueError for a size it does not have or frames unlike it."""
    sizes = part(method, "config").SIZES
    if size not in sizes:
        raise ValueError(f"{method} has no size {size!r}; it has {', '.join(sizes)}")
    side = sizes[size].frame_size
    if bank.frame_size != side:
        raise ValueError(f"{method} ({size}) works at {side} px and the clips are prepared at {bank.frame_size} px")
    torch.manual_seed(seed)
    return part(method, "training").Training(part(method, "config").build(sizes[size]), bank, maps, seed)


def provenance(args: argparse.Namespace, stage: PairStage, perceptual: str) -> dict[str, Any]:
    """What the model records of its training; nothing in it depends on the machine's speed."""
    return {
        "steps": args.steps,
        "seed": args.seed,
        "batch": stage.optimiser.batch,
        "perceptual": perceptual,
        "data_sha256": data_digest(args.clips),
    }


@torch.no_grad()
def strip(stage: PairStage, folders: list[Path], path: Path, device: str) -> None:
    """A picture of one test clip per data set: the source, three driving frames, the reconstructions below them."""
    rows = []
    for folder in folders:
        clips = ClipSet(folder)
        for clip in clips.select("test")[:1]:
            frames = clips.frames(clip)
            chosen = frames[np.linspace(0, len(frames) - 1, 4).round().astype(int)]
            images = to_float(chosen).to(device)
            made = to_uint8(stage.reconstruct(images[:1].expand(3, -1, -1, -1), images[1:]).float().clamp(0, 1))
            rows += [np.concatenate(chosen, axis=1), np.concatenate([np.full_like(chosen[0], 255), *made], axis=1)]
    if rows:
        with replaced_when_complete(path) as partial:
            Image.fromarray(np.concatenate(rows)).save(partial, format="PNG")


def main(argv: list[str] | None = None) -> None:
    """Entry point; a usage or data error ends with one sentence and exit code 2."""
    args = parse(argv)
    torch.set_num_threads(args.threads)
    try:
        bank = FrameBank.read(args.clips)
        maps, perceptual = feature_maps(args.device)
        stage = make_stage(args.method, args.size, bank, maps, args.seed)
        record = provenance(args, stage, perceptual)
        settings = {"optimiser": dataclasses.asdict(stage.optimiser)}
        write_config(args.out / "config.json", {"stage": args.size, "method": args.method, **record, **settings})
        train(stage, args.steps, args.out, args.device)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"baselines.training: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    strip(stage, args.clips, args.out / "strip.png", args.device)
    save_modules(dict(stage.networks.items()), args.out / "model" / "model.safetensors")
    content = {"method": args.method, "size": args.size, "frame_size": bank.frame_size, "training": record}
    with replaced_when_complete(args.out / "model" / "config.json") as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    (args.out / "checkpoint.safetensors").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
