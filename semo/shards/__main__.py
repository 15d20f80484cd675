"""Command line of sharded preparation: `make` one shard, which any number of jobs may do at once; `gather` them all.

    python -m semo.shards make --dataset ID --shard 3 --of 64 --preset base --out results/paper/clips/ID
    python -m semo.shards gather --dataset ID --of 64 --preset base --out results/paper/clips/ID
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from semo.datasets import DATASETS_FILE, read_dataset
from semo.prepare import Preparation, count_reasons
from semo.shards.prepare import ShardPreparation, gather
from semo.train.settings import load_preset


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m semo.shards", description="Prepare a data set in shards.")
    parser.add_argument("action", choices=("make", "gather"))
    parser.add_argument("--dataset", required=True, help="entry of datasets.yaml")
    parser.add_argument("--shard", type=int, default=0, help="number of the shard to make, from 0")
    parser.add_argument("--of", type=int, required=True, help="number of shards of the data set")
    parser.add_argument("--preset", required=True, help="a file of semo/presets: its codec and audio encoder")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="preset overrides")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and their manifest")
    parser.add_argument("--datasets", type=Path, default=DATASETS_FILE, help="table of data sets")
    parser.add_argument("--path", help="folder of the data set; overrides its entry and enables it")
    parser.add_argument("--weights-dir", type=Path, help="mirror folder with networks, searched before downloading")
    parser.add_argument("--device", default="cpu", help="where latents and audio features are computed")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; what goes wrong with data, networks or disk is one sentence and exit code 2."""
    options = parse(arguments)
    try:
        preset = load_preset(options.preset, options.set)
        dataset = read_dataset(options.dataset, options.datasets, options.path)
        preparation = Preparation(dataset, preset.frame_size, options.out, options.weights_dir)
        if options.action == "make":
            part = ShardPreparation(preparation, preset, options.shard, options.of, options.device).run()
            print(f"{dataset.id}, shard {options.shard} of {options.of}: {len(part['stored'])} training clips in "
                  f"{part['bytes'] / 1e6:.1f} MB, {len(part['clips']) - len(part['stored'])} others, "
                  f"{len(part['refused'])} refused")
            return
        clips, pairs, refused = gather(preparation, options.of)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"error: {error.filename or options.out}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{dataset.id}: {len(clips)} clips in {options.of} shards, {len(pairs)} cross pairs, {len(refused)} refused")
    for reason, times in count_reasons(refused).items():
        print(f"  refused {times} times: {reason}")


if __name__ == "__main__":
    main()
