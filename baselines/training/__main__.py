"""Train one rival from scratch: `python -m baselines.training fomm --steps N --clips DIR... --out RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import baselines
from baselines.checkpoints import load_modules, read_checkpoint, save_modules
from baselines.inputs.clips import first_face
from baselines.method import ClipContext, clip_seed, make_method
from baselines.training.perceptual import feature_maps
from baselines.training.stage import PairStage
from baselines.training.talk import TalkBank
from semo.clips import ClipSet
from semo.media import to_float, to_uint8
from semo.train.__main__ import data_digest
from semo.train.data import FrameBank
from semo.train.loop import train, write_config
from semo.video_writer import replaced_when_complete

CHECKPOINT = "checkpoint.safetensors"
FINISHED = "networks.safetensors"  # of a recipe with several stages: all networks after one of them
SHOWN = 5  # frames of a strip, one in five


def trainable() -> list[str]:
    """Ids of the rivals with a recipe, those with a training.py."""
    files = (path for root in baselines.__path__ for path in Path(root).glob("*/training.py"))
    return sorted(path.parent.name.replace("_", "-") for path in files)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of a training run."""
    parser = argparse.ArgumentParser(prog="python -m baselines.training", description=__doc__)
    parser.add_argument("method", choices=trainable())
    parser.add_argument("--size", default="mini", help="a key of the method's SIZES: mini, or official on a GPU")
    parser.add_argument("--steps", type=int, required=True, help="of every stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="prepared data set folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(argv)


def part(method: str, name: str) -> ModuleType:
    """A module of the method's folder: `config` or `training`."""
    return importlib.import_module(f"baselines.{method.replace('-', '_')}.{name}")


def stages_of(method: str) -> tuple[type[nn.Module], ...]:
    """The recipe of an audio-driven method: its stages in order; empty for one of the others, which has one stage."""
    return getattr(part(method, "training"), "STAGES", ())


def make_networks(method: str, size: str, side: int, seed: int) -> dict[str, nn.Module]:
    """Fresh networks. Raises ValueError for a size the method does not have or frames of another side than its own."""
    sizes = part(method, "config").SIZES
    if size not in sizes:
        raise ValueError(f"{method} has no size {size!r}; it has {', '.join(sizes)}")
    if side != sizes[size].frame_size:
        raise ValueError(
            f"{method} ({size}) works at {sizes[size].frame_size} px and the clips are prepared at {side} px"
        )
    torch.manual_seed(seed)
    return part(method, "config").build(sizes[size])


def make_stage(method: str, size: str, bank: FrameBank, maps: Any, seed: int) -> PairStage:
    """The recipe of a keypoint-driven method with fresh networks; raises as `make_networks`."""
    networks = make_networks(method, size, bank.frame_size, seed)
    return part(method, "training").Training(networks, bank, maps, seed)


def run_stage(stage: Any, args: argparse.Namespace, folder: Path, record: dict[str, Any]) -> None:
    """Train one stage in `folder`, with its settings beside the curve."""
    settings = {"stage": args.size, "method": args.method, **record, "optimiser": dataclasses.asdict(stage.optimiser)}
    write_config(folder / "config.json", settings)
    train(stage, args.steps, folder, args.device)


def train_pairs(args: argparse.Namespace, maps: Any, record: dict[str, Any]) -> dict[str, nn.Module]:
    """One stage on pairs of frames, in the folder of the run itself."""
    bank = FrameBank.read(args.clips)
    stage = make_stage(args.method, args.size, bank, maps, args.seed)
    record["batch"] = stage.optimiser.batch
    run_stage(stage, args, args.out, record)
    strip(list(pair_rows(stage, args.clips, args.device)), args.out / "strip.png")
    return dict(stage.networks.items())


def train_stages(args: argparse.Namespace, maps: Any, record: dict[str, Any]) -> dict[str, nn.Module]:
    """Several stages one after the other on the same networks, each in a folder of its own name.

    A stage that was finished before the run was stopped is not trained again.
    """
    recipe: tuple[Any, ...] = stages_of(args.method)
    data = TalkBank.read(args.clips, with_faces=any(kind.needs_faces for kind in recipe))
    networks = make_networks(args.method, args.size, data.frames.frame_size, args.seed)
    record |= {"batch": recipe[0].optimiser.batch, "stages": [kind.name for kind in recipe]}
    for order, kind in enumerate(recipe):
        torch.manual_seed(args.seed)
        stage = kind(networks, data, maps, args.seed, order).to(args.device)
        stage.prepare()
        finished = args.out / kind.name / FINISHED
        if finished.is_file():
            load_modules(networks, read_checkpoint(finished), str(finished))
        else:
            run_stage(stage, args, args.out / kind.name, record)
            save_modules(networks, finished)
    return networks


@torch.no_grad()
def pair_rows(stage: PairStage, folders: list[Path], device: str) -> Iterator[np.ndarray]:
    """One test clip per data set: the source and three driving frames, and below them the reconstructions."""
    for folder in folders:
        clips = ClipSet(folder)
        for clip in clips.select("test")[:1]:
            frames = clips.frames(clip)
            chosen = frames[np.linspace(0, len(frames) - 1, 4).round().astype(int)]
            images = to_float(chosen).to(device)
            made = to_uint8(stage.reconstruct(images[:1].expand(3, -1, -1, -1), images[1:]).float().clamp(0, 1))
            yield np.concatenate(chosen, axis=1)
            yield np.concatenate([np.full_like(chosen[0], 255), *made], axis=1)


def talk_rows(method: str, folders: list[Path], model: Path, device: str, seed: int) -> Iterator[np.ndarray]:
    """One test clip per data set: true frames, and below them what the method makes of the first and the sound."""
    player = make_method(method)
    player.load(model, "mini", device)
    for folder in folders:
        clips = ClipSet(folder)
        for clip in [clip for clip in clips.select("test") if clip.has_audio][:1]:
            frames = clips.frames(clip)[: 5 * SHOWN]
            context = ClipContext(
                clip.clip, clip_seed(seed, method, clip.clip), annotations={"face": first_face(clips, clip.clip)}
            )
            made = list(player.talk(frames[0], clips.audio(clip), len(frames), context))
            yield np.concatenate(frames[::SHOWN], axis=1)
            yield np.concatenate(list(islice(made, 0, None, SHOWN)), axis=1)


def strip(rows: list[np.ndarray], path: Path) -> None:
    """Write rows of frames as one picture; nothing where there are none."""
    if rows:
        with replaced_when_complete(path) as partial:
            Image.fromarray(np.concatenate(rows)).save(partial, format="PNG")


def main(argv: list[str] | None = None) -> None:
    """Entry point; a usage or data error ends with one sentence and exit code 2."""
    args = parse(argv)
    torch.set_num_threads(args.threads)
    staged = bool(stages_of(args.method))
    try:
        maps, perceptual = feature_maps(args.device)
        record = {"steps": args.steps, "seed": args.seed, "perceptual": perceptual,
                  "data_sha256": data_digest(args.clips)}  # fmt: skip
        networks = (train_stages if staged else train_pairs)(args, maps, record)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"baselines.training: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    side = part(args.method, "config").SIZES[args.size].frame_size
    model = args.out / "model"
    save_modules(networks, model / "model.safetensors")
    content = {"method": args.method, "size": args.size, "frame_size": side, "training": record}
    with replaced_when_complete(model / "config.json") as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    if staged and args.size == "mini":
        strip(list(talk_rows(args.method, args.clips, model, args.device, args.seed)), args.out / "strip.png")
    for name in (CHECKPOINT, f"*/{CHECKPOINT}", f"*/{FINISHED}"):
        for path in args.out.glob(name):
            path.unlink()


if __name__ == "__main__":
    main()
