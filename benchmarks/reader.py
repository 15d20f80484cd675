"""Streaming reader of shards in latent frames/s of processor time, as a ratio to reading the same files' bytes.

    python benchmarks/reader.py [--clips 400] [--frames 250] [--folder DIR]

Writes shards of random latents (4 x 32 x 32, as of 256 px) and reads them as stage 1 does: windows of 64 clips, 8 pairs
of each. `frames_per_s` counts the frames that pass through the reader, `samples_per_s` the pairs that are drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from semo.shards.store import Index, Shard, ShardClip, ShardWriter, Statistics, StoreSettings
from semo.train.data import WHOLE
from semo.train.stream import StreamBank

SHAPE = (4, 32, 32)
PER_SHARD, BUFFER, DRAWS, BATCH = 50, 64, 8, 64


def write_store(folder: Path, clips: int, frames: int) -> Index:
    """Shards of noise."""
    rng = np.random.default_rng(0)
    shards, statistics = [], Statistics()
    for first in range(0, clips, PER_SHARD):
        path, listed = folder / f"{first:05d}.tar", []
        with ShardWriter(path) as writer:
            for number in range(first, min(first + PER_SHARD, clips)):
                latents = rng.standard_normal((frames, *SHAPE), dtype=np.float32).astype(np.float16)
                writer.add({"clip": f"c{number}"}, "latents", latents, None)
                listed.append(ShardClip(f"c{number}", frames, False))
        statistics += Statistics.of(latents)
        shards.append(Shard(path, path.stat().st_size, tuple(listed)))
    return Index(StoreSettings(256, "vae", None, "logmel", None), statistics, tuple(shards))


def measure(index: Index, frames: int) -> dict[str, float]:
    """One epoch through the reader, and the same bytes read plainly."""
    bank = StreamBank([index], seed=0, buffer=BUFFER, draws=DRAWS)
    clips = sum(len(shard.clips) for shard in index.shards) // BUFFER * BUFFER
    steps = clips * DRAWS // BATCH
    start = time.process_time()
    for step in range(steps):
        bank.draw_pairs(BATCH, torch.Generator(), (step, WHOLE))
    own = time.process_time() - start
    start = time.process_time()
    for shard in index.shards:
        with open(shard.path, "rb") as stream:
            while stream.read(frames * 2 * int(np.prod(SHAPE))):
                pass
    plain = (time.process_time() - start) * clips / sum(len(shard.clips) for shard in index.shards)
    return {"frames_per_s": clips * frames / own, "samples_per_s": steps * BATCH / own,
            "plain_frames_per_s": clips * frames / plain, "ratio": plain / own}


def main() -> None:
    parser = argparse.ArgumentParser(description="Streaming reader against reading bytes.")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--folder", type=Path, help="where the shards are written for the time (default: a new one)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(write_store(Path(folder), options.clips, options.frames), options.frames)
    print("\t".join(["benchmark", *result]))
    print("\t".join(["reader", *(f"{value:.3g}" for value in result.values())]))


if __name__ == "__main__":
    main()
