"""Rivals moved by sound: processor seconds for a second of video, memory and size, with the steps each takes by itself.

    python benchmarks/talk_rivals.py [--methods sadtalker] [--size mini] [--frames 25] [--threads 1] [--out FILE.tsv]

The networks have random weights of one seed, not the published ones: speed, memory and size do not depend on them. The
portrait is one of the shipped corpus with the face of its annotations. Every method is measured in a process of its
own, so that its peak memory is its own; a method that cannot run says why. At official size the diffusion systems take
more than 10 GB, and files that are not theirs (VAE, HuBERT, Whisper).
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from baselines.blocks.talk import TalkMethod
    from baselines.inputs.face import Face

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = "street-p0010-c0"
COLUMNS = ("method", "weights", "size", "parameters_m", "seconds_per_s", "first_frame_s", "peak_mib", "settings")


def talkers() -> list[str]:
    """Ids of the rivals that are moved by sound."""
    from baselines.blocks.talk import TalkMethod
    from baselines.method import make_method, method_ids

    return [name for name in method_ids() if isinstance(make_method(name), TalkMethod)]


def portrait(size: int) -> tuple[np.ndarray, Face]:
    """uint8 (S, S, 3) and the face in it."""
    from baselines.inputs.annotated import annotated
    from semo.clips import Clip
    from semo.media import read_frames
    from semo.pictures import crop_resize

    path = ROOT / "data" / "portraits-mini" / PORTRAIT.split("-")[0] / f"{PORTRAIT}.npz"
    with np.load(path) as arrays:
        truth = dict(arrays)
    picture = read_frames(path.with_suffix(".mp4"), frames=1)[0]
    clip = Clip(PORTRAIT, "p", "test", "", 0.0, 125, 25.0, 0, 0, len(picture), True, "", "CC0-1.0")
    return crop_resize(picture, None, size), annotated(truth, clip, size)[:1]


def with_random_weights(method: str, size: str, folder: Path) -> tuple[TalkMethod, Any, int]:
    """The method, ready, its configuration and the parameters of its networks. Raises MethodUnavailable."""
    import torch

    from baselines.checkpoints import save_modules
    from baselines.method import make_method

    player: Any = make_method(method)
    config = player.sizes_of[size]
    torch.manual_seed(0)
    modules = player.networks(config)
    parameters = sum(p.numel() for module in modules.values() for p in module.parameters())
    if size != "mini":
        player.ready({name: module.eval() for name, module in modules.items()}, config)
        return player, config, parameters
    save_modules(modules, folder / "model.safetensors")
    record = {"method": player.weights[0], "size": size, "training": {}}
    (folder / "config.json").write_text(json.dumps(record))
    player.load(folder, size, "cpu")
    return player, config, parameters


def measure(method: str, size: str, frames: int, threads: int) -> list[str]:
    """One row of the table."""
    from baselines.method import ClipContext, MethodUnavailable
    from semo.generate import limit_threads
    from semo.media import FPS, RATE
    from semo.provenance import peak_memory_mib

    limit_threads(threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            player, config, parameters = with_random_weights(method, size, Path(folder))
    except MethodUnavailable as unavailable:
        return [method, f"not run: {unavailable}", size, *["-"] * (len(COLUMNS) - 3)]
    source, face = portrait(config.frame_size)
    context = ClipContext("benchmark", 0, annotations={"face": lambda: face})
    sound = np.random.default_rng(0).normal(scale=0.1, size=round(frames / FPS * RATE)).astype(np.float32)

    def seconds(count: int) -> float:
        start = time.process_time()
        for _ in player.talk(source, sound[: round(count / FPS * RATE)], count, context):
            pass
        return time.process_time() - start

    seconds(1)
    first, whole = seconds(1), seconds(frames)
    settings = ", ".join(f"{key} {value}" for key, value in player.settings({}).items())
    return [
        method,
        "random, seed 0",
        size,
        f"{parameters / 1e6:.1f}",
        f"{whole * FPS / frames:.2f}",
        f"{first:.2f}",
        f"{peak_memory_mib():.0f}",
        settings or "-",
    ]


if __name__ == "__main__":
    import each_alone

    about = "Rivals moved by sound: seconds per second of video, memory."
    raise SystemExit(each_alone.main(__file__, about, COLUMNS, talkers, measure, "mini", frames=25, least=1))
