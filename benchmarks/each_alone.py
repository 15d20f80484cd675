"""Runs a benchmark once per method, each in a process of its own: memory and caches of one do not reach the next."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Measure = Callable[[str, str, int, int], list[str]]  # method, size, frames, threads -> cells of its row


def main(
    file: str,
    about: str,
    columns: Sequence[str],
    methods: Callable[[], list[str]],
    measure: Measure,
    size: str,
    frames: int,
    least: int,
) -> int:
    """The command line of the benchmark `file`; prints its rows as TSV, and writes them with --out.

    `methods` lists what can be measured; `size` and `frames` are the defaults, `least` the fewest frames.
    """
    parser = argparse.ArgumentParser(description=about)
    known = None if "--here" in sys.argv else methods()  # a process that measures does not load all methods
    parser.add_argument("--methods", nargs="+", default=known, choices=known, metavar="METHOD")
    parser.add_argument("--size", default=size, choices=("official", "mini"))
    parser.add_argument("--frames", type=int, default=frames, help=f"of the clip, at least {least}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the rows to this TSV")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.frames < least:
        parser.error(f"--frames must be at least {least}")
    if options.here:
        print("\t".join(measure(options.methods[0], options.size, options.frames, options.threads)))
        return 0
    lines = ["\t".join(columns)]
    print(lines[0])
    for method in options.methods:
        arguments = ["--methods", method, "--size", options.size, "--frames", str(options.frames)]
        command = [sys.executable, file, *arguments, "--threads", str(options.threads), "--here"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"benchmarks/{Path(file).name}: {method} could not be measured", file=sys.stderr)
            return 1
        lines.append(done.stdout.strip().splitlines()[-1])
        print(lines[-1], flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n")
    return 0
