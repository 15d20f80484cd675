"""Training on two processes against one: processor time per sample of both together, as a ratio (1 is ideal).

    python benchmarks/processes.py --clips results/clips/portraits-mini-studio [--preset mini] [--steps 80]

Both train the same: batches in two parts, one after the other or at once, by `accelerate launch` as the workflow does.
Two lengths of run are compared, so that starting and reading the data do not count. Where both processes have a core of
their own, the ratio is also that of the time per sample to half of one process's.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2",
          "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")


def processor_time(processes: int, steps: int, options: argparse.Namespace, folder: Path) -> float:
    """Seconds of all processes of one training."""
    out = folder / f"{processes}-{steps}"
    command = [sys.executable, *(LAUNCH if processes > 1 else ()), "-m", "semo.train", "stage1", "--preset",
               options.preset, "--steps", str(steps), "--parts", "2", "--clips", str(options.clips), "--out", str(out),
               "--checkpoint-minutes", "1000"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Two processes against one.")
    parser.add_argument("--clips", type=Path, required=True, help="a folder of prepared clips")
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--steps", type=int, default=80, help="steps of the longer run, 40 or more: both report alike")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spent = {n: [processor_time(n, steps, options, Path(folder)) for steps in (options.steps // 2, options.steps)]
                 for n in (1, 2)}
    one, two = ((longer - shorter) / (options.steps - options.steps // 2) for shorter, longer in spent.values())
    print("benchmark\tone_process_s_per_step\ttwo_processes_s_per_step\tratio")
    print(f"processes\t{one:.3g}\t{two:.3g}\t{two / one:.3g}")


if __name__ == "__main__":
    main()
