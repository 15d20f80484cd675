"""What the run of a config would do here, and what it would cost: Snakemake's own plan, read without Snakemake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from semo.registry import PROJECT

if TYPE_CHECKING:
    from plan.methods import Plugin
    from plan.run import Run

CONFIGS = PROJECT / "workflow/config"
SCHEMAS = PROJECT / "workflow/schemas"


def methods_of(root: Path) -> dict[str, Plugin]:
    """Method id -> what its method.py declares."""
    _plan()
    from plan import methods

    return methods.discover(root / "baselines")


def planned_run(config: Path | None = None) -> Iterator[tuple[str, str]]:
    """Rows (name, value): data, trainings, methods, jobs, cost, and what stands in the way.

    Raises ValueError where the config cannot be used.
    """
    _plan()
    from plan import machine, needs, networks, settings
    from plan.run import Run

    chosen = _merged(_read(CONFIGS / "mini.yaml"), _read(config) if config else {})
    settings.check(chosen, SCHEMAS / "config.schema.yaml", str(config or CONFIGS / "mini.yaml"))
    entries = settings.read_entries(CONFIGS / "datasets.yaml", "datasets", SCHEMAS)
    weights = settings.read_entries(CONFIGS / "weights.yaml", "weights", SCHEMAS)
    ablations = settings.read_ablations(CONFIGS / "ablations.tsv", SCHEMAS)
    placed = {name: entry | {"enabled": True} for name, entry in entries.items()}
    try:
        run = Run(chosen, entries, ablations, methods_of(PROJECT), PROJECT)
        notes = networks.Networks(chosen, weights, PROJECT).notes
    except settings.SettingsError as error:
        yield "cannot run", str(error).removeprefix("config: ")
        yield from _costs(Run(chosen, placed, ablations, methods_of(PROJECT), PROJECT), placed)
        return
    yield "data", ", ".join(run.datasets)
    yield "trains", ", ".join([f"SeMo ({', '.join(run.stages)})", *run.trained_rivals,
                               f"{len(run.chosen_ablations)} ablations"])
    yield "measures", ", ".join(dict.fromkeys(method for _, _, method in run.measured()))
    yield from _costs(run, entries)
    disk = needs.disk_mb(run, entries, PROJECT)
    yield "videos", f"about {disk / 1000:.1f} GB"
    for note in notes:
        yield "instead", note
    problem = machine.misfit(needs.memory_mb(chosen["preset"], "train"), disk, PROJECT / chosen["results"],
                             chosen["scale"], chosen["device"])
    yield "here", problem or "it can run"


def _costs(run: Run, entries: dict[str, dict]) -> Iterator[tuple[str, str]]:
    """What the run would cost with its data sets in place."""
    from plan import costs

    rates = costs.read_rates(PROJECT)
    batch = costs.batches(run.config["preset"], PROJECT)
    return costs.table(costs.estimate(run, entries, rates, batch, PROJECT), rates)


def _plan() -> None:
    """Let `plan`, the package of the workflow beside this one, be imported."""
    folder = str(PROJECT / "workflow")
    if not (PROJECT / "workflow/plan").is_dir():
        raise ValueError(f"{folder} is not here: run semo from a clone of its repository")
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _read(path: Path) -> dict:
    try:
        data = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read as a config ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: holds no settings")
    return data


def _merged(base: dict, change: dict) -> dict:
    """As Snakemake lays one config over another: mappings are merged, everything else is replaced."""
    result = dict(base)
    for key, value in change.items():
        merge = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if merge else value
    return result
