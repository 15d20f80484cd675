"""Command line: train one network of the bundled tier and write its weights.

`python -m semo.features.train corpus-frame --clips DIR... --run DIR --out FILE`; an interrupted run continues from its
run folder. corpus-clip, corpus-av and corpus-perceptual need corpus-frame: `--frame-net FILE`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from semo.features.nets.corpus import FrameNet, folded, load_frame_net
from semo.features.nets.corpus_av import AudioVisualNet
from semo.features.train.av import AudioVisualStage, talkers
from semo.features.train.clip import ClipStage, featured
from semo.features.train.data import read_split
from semo.features.train.frame import FrameStage
from semo.features.train.perceptual import calibrated
from semo.train.loop import train
from semo.video_writer import replaced_when_complete

STEPS = {"corpus-frame": 1600, "corpus-clip": 800, "corpus-av": 300, "corpus-perceptual": 0}


def save_half(module: nn.Module, path: Path) -> None:
    """Parameters and buffers as half precision, without a frame network inside; complete or not at all."""
    state = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith("frame_net.")}
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in state.items()}
    with replaced_when_complete(path) as partial:
        save_file(tensors, partial)
        partial.chmod(0o644)


def train_frame(options: argparse.Namespace) -> nn.Module:
    """The frame network on single frames of the training people."""
    stage = FrameStage(read_split(options.clips, "train"), read_split(options.clips, "seen"), options.seed)
    train(stage, options.steps, options.run)
    return folded(stage.net, FrameNet())


def train_clip(options: argparse.Namespace) -> nn.Module:
    """The clip network on the frame network's features."""
    net = load_frame_net(options.frame_net)
    clips = featured(read_split(options.clips, "train"), net, options.seed)
    held_out = featured(read_split(options.clips, "seen"), net, options.seed + 1, versions=1)
    stage = ClipStage(clips, held_out, options.seed)
    train(stage, options.steps, options.run)
    return stage.net


def train_av(options: argparse.Namespace) -> nn.Module:
    """The audio-visual network on the mouths that the frame network finds."""
    net = load_frame_net(options.frame_net)
    clips, held_out = (talkers(read_split(options.clips, split), net) for split in ("train", "seen"))
    stage = AudioVisualStage(clips, held_out, options.seed)
    train(stage, options.steps, options.run)
    return folded(stage.net, AudioVisualNet())


def calibrate(options: argparse.Namespace) -> nn.Module:
    """The weights of the perceptual distance; nothing is trained."""
    return calibrated(load_frame_net(options.frame_net), read_split(options.clips, "train"), options.seed)


TRAINERS: dict[str, Callable[[argparse.Namespace], nn.Module]] = {
    "corpus-frame": train_frame,
    "corpus-clip": train_clip,
    "corpus-av": train_av,
    "corpus-perceptual": calibrate,
}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `python -m semo.features.train`."""
    parser = argparse.ArgumentParser(prog="python -m semo.features.train", description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=list(TRAINERS))
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="prepared portraits-mini folders, 128 px")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and curve")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write; its curve goes beside it")
    parser.add_argument("--frame-net", type=Path, help="trained corpus-frame (the shipped one)")
    parser.add_argument("--steps", type=int, help="optimiser steps")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.steps = options.steps or STEPS[options.network]
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_half(TRAINERS[options.network](options), options.out)
    if (curve := options.run / "curve.tsv").is_file():
        shutil.copyfile(curve, options.out.with_suffix(".tsv"))


if __name__ == "__main__":
    main()
