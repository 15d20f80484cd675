"""A small finished run for the report page: fake clips, real records and metrics, and what goes wrong in real runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import yaml

from semo.evaluate import evaluate
from semo.generate import Job, generate
from semo.media import write_lossless
from semo.report.__main__ import ROOT
from semo.report.tables import Inputs, load_inputs
from tests.unit.fake_clips import prepared, video
from tests.unit.fake_results import trained

DATASET = "fake"
MARKUP = "<img src=x onerror=alert(1)> & \"Co\" </script><script>alert(2)</script>"
REASON = "no face <b>was</b> found in fake-p1-c1"
METHODS = {  # id -> (tasks, what its videos are brighter by)
    "copy-reference": (("reconstruct", "cross", "talk"), None),
    "codec": (("reconstruct", "cross", "talk"), 0),
    "fomm": (("reconstruct", "cross"), 20),
    "semo": (("reconstruct", "cross", "talk"), 6),
    "ablation-T1D512": (("reconstruct", "cross"), 9),
}
UNAVAILABLE = {"hallo2": (("talk",), "its weights are not here"), "lia": (("reconstruct", "cross"), "out of memory")}
RULES = """digraph snakemake_dag {
 0[label = "reproduce_all", color = "0.1 0.6 0.85"];
 1[label = "train", color = "0.2 0.6 0.85"];
 2[label = "page <b>", color = "0.3 0.6 0.85"];
 1 -> 1
 1 -> 2
 2 -> 0
}
"""


def make_run(folder: Path) -> Path:
    """Results with videos, metrics and training curves; FOMM's name holds markup and it failed on one clip."""
    results = folder / "results"
    clips = prepared(results / "clips" / DATASET)
    for method, (tasks, brighter) in METHODS.items():
        for task in tasks:
            made = results / "generated" / task / DATASET / method
            generate(Job(task=task, method=method, plugin="copy-reference", clips=clips, out=made))
            if brighter is not None:
                _paint(made, task, brighter)
            if method == "fomm":
                _spoil(made, task)
            evaluate(task, made, clips, results / "metrics" / task / DATASET / f"{method}.tsv")
    for method, (tasks, reason) in UNAVAILABLE.items():
        for task in tasks:
            _unavailable(results, task, method, reason)
    trained(results, "semo", "stage1", 100, 0.8)
    trained(results, "fomm", "mini", 100, 0.4)
    (results / "rulegraph.dot").write_text(RULES)
    config = {
        "scale": "smoke",
        "seed": 0,
        "frame_size": 32,
        "datasets": {"hdtf": DATASET, "dh_facevid": DATASET, "mead": DATASET},
        "budgets": {"ablation_steps": 10, "eval_clips": 0, "eval_frames": 0},
        "methods": {n: {"tasks": list(tasks)} for n, (tasks, _) in (METHODS | UNAVAILABLE).items()},
    }
    (results / "config.json").write_text(json.dumps(config))
    return results


def inputs_of(results: Path) -> Inputs:
    return load_inputs(results / "config.json", results, ROOT / "reports", ROOT / "workflow/config/ablations.tsv")


def empty_run(folder: Path) -> Path:
    """Results of a run that was planned and made nothing."""
    results = folder / "results"
    results.mkdir(parents=True)
    methods = {name: {"tasks": ["reconstruct"]} for name in ("copy-reference", "codec", "semo")}
    config = {"seed": 0, "datasets": {"hdtf": DATASET}, "methods": methods}
    (results / "config.json").write_text(yaml.safe_dump(config))
    return results


def _paint(made: Path, task: str, brighter: int) -> None:
    """Videos of its own: the true motion, brighter; the later the clip, the more."""
    for i, path in enumerate(sorted(made.glob("*.mkv"))):
        person, motion = (0, 1) if task == "cross" else (int(path.stem[6]), int(path.stem[9]))
        frames = video(person, motion).astype(np.int16) + brighter + 3 * i
        write_lossless(path, frames.clip(0, 255).astype(np.uint8))


def _spoil(made: Path, task: str) -> None:
    record = json.loads((made / "run.json").read_text()) | {"label": MARKUP}
    last = sorted(made.glob("*.mkv"))[-1]
    if task == "reconstruct":
        last.unlink()
        record["failed"] = [{"clip": last.stem, "reason": REASON}]
    (made / "run.json").write_text(json.dumps(record))


def _unavailable(results: Path, task: str, method: str, reason: str) -> None:
    """What a method leaves that could not run: a record with its reason, a table without rows."""
    record = json.loads((results / "generated" / task / DATASET / "copy-reference/run.json").read_text())
    record |= {"method": method, "label": method, "kind": "scratch", "status": "unavailable", "reason": reason}
    made, table = results / "generated" / task / DATASET / method, results / "metrics" / task / DATASET
    made.mkdir(parents=True)
    (made / "run.json").write_text(json.dumps(record))
    (table / f"{method}.tsv").write_text("clip\tidentity\tframes\n")
    (table / f"{method}.json").write_text(json.dumps({"run": record}))
