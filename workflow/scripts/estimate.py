"""Prints what a run would cost, before anything is fetched or started.

    python workflow/scripts/estimate.py --configfile workflow/config/paper.yaml [--cores 64] [--gpus 8]

Data sets count whether or not they are enabled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from plan import estimate, methods, settings  # noqa: E402
from plan.run import Run  # noqa: E402

STAGE_BATCH = {"stage1": "stage1", "stage1b": "stage1b", "stage2": "stage2", "reflow": "stage1"}


def batches(preset: str) -> dict[str, int]:
    """Samples of a step, by stage, as the preset's file states them."""
    data = yaml.safe_load((ROOT / f"semo/presets/{preset}.yaml").read_text())
    return {stage: data[key].get("optimiser", data[key])["batch"] for stage, key in STAGE_BATCH.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a run would cost.")
    parser.add_argument("--configfile", type=Path, default=ROOT / "workflow/config/mini.yaml")
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--gpus", type=int, default=8)
    options = parser.parse_args()
    schemas = ROOT / "workflow/schemas"
    try:
        config = yaml.safe_load((ROOT / "workflow/config/mini.yaml").read_text())
        for key, value in yaml.safe_load(options.configfile.read_text()).items():
            config[key] = config[key] | value if isinstance(value, dict) else value
        settings.check(config, schemas / "config.schema.yaml", str(options.configfile))
        entries = settings.read_entries(ROOT / "workflow/config/datasets.yaml", "datasets", schemas)
        entries = {name: entry | {"enabled": True} for name, entry in entries.items()}
        ablations = settings.read_ablations(ROOT / "workflow/config/ablations.tsv", schemas)
        run = Run(config, entries, ablations, methods.discover(ROOT / "baselines"), ROOT)
        rates = estimate.read_rates(ROOT / "benchmarks/rates.yaml")
        costs = estimate.estimate(run, entries, rates, batches(config["preset"]), ROOT)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(estimate.table(costs, rates, options.cores, options.gpus))


if __name__ == "__main__":
    main()
