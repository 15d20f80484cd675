"""Temporary copies of the project in which Snakemake and DVC can be run, with small stand-ins for the jobs' modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

BUDGETS = yaml.safe_load((ROOT / "workflow/config/mini.yaml").read_text())["budgets"]
COPIED = (
    "Snakefile",
    "workflow",
    "profiles",
    "baselines",
    "data/splits",
    "dvc.yaml",
    "environment.yml",
    ".dvcignore",
    ".gitignore",
)
STUBBED = (
    "semo/clips.py",
    "semo/objects.py",
    "semo/prepare.py",
    "semo/shards/__main__.py",
    "semo/train/__main__.py",
    "semo/generate.py",
    "semo/evaluate.py",
    "semo/report/__main__.py",
    "semo/report/page/__main__.py",
    "baselines/training/__main__.py",
)


TABLES = {
    "table2": {
        "task": "reconstruct",
        "roles": ["hdtf", "dh_facevid", "mead"],
        "columns": ["psnr", {"metric": "psnr_cross", "task": "cross"}],
    },
    "table4": {"task": "talk", "roles": ["hdtf", "dh_facevid"], "columns": ["psnr"]},
}


@dataclass(frozen=True)
class Project:
    """A copy of the project in `path`."""

    path: Path

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program of this environment there; its output, both streams."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "DVC_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(self.path)
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=1800,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        return self.run("snakemake", "--cores", "8", *arguments, check=check)

    def dry_run(self, *arguments: str, check: bool = True) -> str:
        return self.snakemake("--dry-run", *arguments, check=check)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (self.path / name).write_text(text.replace(old, new))

    def update_yaml(self, name: str, change: Callable[[dict], None]) -> None:
        data = yaml.safe_load((self.path / name).read_text())
        change(data)
        (self.path / name).write_text(yaml.safe_dump(data, sort_keys=False))


def make_project(path: Path) -> Project:
    """Workflow, methods and settings as they are; the modules that do the work replaced by stubs that write files."""
    ignore = shutil.ignore_patterns("__pycache__", "*.mp4", "*.mkv", "*.npz")
    path.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(
            source, path / name, **({"ignore": ignore} if source.is_dir() else {})
        )
    for folder in (
        "reports/paper",
        "reports/tables",
        "reports/released",
        "data/portraits-mini",
        "semo/metrics",
        "semo/features/train",
        "semo/weights/metrics",
        "semo/presets",
        "semo/report/figures",
    ):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("paper", "released"):
        (path / "reports" / folder / "README.md").write_text("Kept in git.\n")
    for name in ("corpus", "cross"):
        (path / f"data/portraits-mini/{name}.tsv").write_text("clip\tsubset\tsplit\n")
    stub = (Path(__file__).parent / "stub.py").read_text()
    for name in STUBBED:
        target = path / name
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_text(stub)
    for name in (
        "__init__.py",
        "train/__init__.py",
        "features/train/__init__.py",
        "report/__init__.py",
        "report/page/__init__.py",
        "report/figures/__init__.py",
        "report/figures/curves.py",
        "report/figures/drift.py",
        "report/figures/objects.py",
        "metrics/psnr.py",
    ):
        (path / "semo" / name).write_text('"""Stand-in."""\nVALUE = 1\n')
    (path / "semo/presets/mini.json").write_text("{}")
    (path / "semo/weights/metrics/README.md").write_text("Kept in git.\n")
    (path / "data/fetch.py").write_text(stub)
    for name, table in TABLES.items():
        (path / f"reports/tables/{name}.yaml").write_text(yaml.safe_dump({"title": name, **table}))
    return Project(path)


def shorten(project: Project) -> Project:
    """One ablation run, one rival and two training stages: fewer jobs where a test runs them."""

    def change(config: dict) -> None:
        config["rivals"] = ["fomm"]
        config["budgets"].update(stage1b_steps=0, reflow_steps=0, ablations=["T1D4"])
        config["datasets"] = dict.fromkeys(config["datasets"], "portraits-mini-broadcast")

    project.update_yaml("workflow/config/mini.yaml", change)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")
