"""Every ported rival against the golden outputs of its original, and the command that says so."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity import fill
from tests.parity.check import FIXTURES, check, fill_modules, main, make_inputs, read

PORTED = sorted(path.stem for path in (Path(__file__).parent / "modes").glob("[!_]*.py"))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("method", PORTED)
def test_networks_equal_their_originals(method: str) -> None:
    report = check(FIXTURES / f"{method}.json")
    assert not report.faults
    assert [row for row in report.rows if not row["ok"]] == []
    assert report.ok


FAST = {  # method -> animator, field of the driving points' case, golden output of a picture
    "fomm": ("FOMMAnimator", "align_True.absolute.driving0.prediction"),
    "mraa": ("MRAAAnimator", "absolute.driving0.prediction"),
    "tpsmm": ("TPSMMAnimator", "absolute.driving0.prediction"),
}


@pytest.mark.parametrize("method", FAST)
def test_fast_networks_equal_the_originals_pictures(method: str) -> None:
    """Folded norms, Winograd and the like stay within the tolerance recorded for the plain networks."""
    animator, output = FAST[method]
    golden = read(FIXTURES / f"{method}.json")
    meta: dict[str, Any] = golden.meta
    used = getattr(import_module(f"baselines.{method}.animate"), animator).used
    modules = {name: module for name, module in golden.modes.build(meta).items() if name in used}
    meta["modules"] = {name: meta["modules"][name] for name in used}
    assert fill_modules(modules, meta) == []
    fast = getattr(import_module(f"baselines.{method}.animate"), animator)(modules, 256)
    inputs = make_inputs(meta, [])
    with torch.inference_mode():
        driving = inputs["driving"]  # both frames at once: a batch gives what one frame gives
        made = fast.render(fast.source(inputs["source"]), fast.points(driving), driving)
    (row,) = fill.compare({output: made[:1]}, golden.arrays, meta, only=[output])
    assert row["ok"], row


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sidecar of one small case of TPSMM, in a folder without keys."""
    meta = json.loads((FIXTURES / "tpsmm.json").read_text())
    meta["modules"] = {"bg_predictor": meta["modules"]["bg_predictor"]}
    (case,) = (case for case in meta["run"]["cases"] if case["mode"] == "background")
    meta["run"]["cases"] = [case]
    names = list(case["outputs"].values())
    meta["run"]["output_names"] = {name: case["name"] for name in names}
    meta["outputs"] = {name: meta["outputs"][name] for name in names}
    folder = tmp_path_factory.mktemp("sidecar")
    path = folder / "another.json"
    path.write_text(json.dumps(meta))
    with np.load(FIXTURES / "tpsmm.npz") as arrays:
        np.savez(folder / "another.npz", **{name: arrays[name] for name in names})
    return path


def changed(sidecar: Path, folder: Path, change: dict[tuple[Any, ...], Any]) -> Path:
    """A copy of the sidecar with other values at the given paths of keys."""
    meta = json.loads(sidecar.read_text())
    for keys, value in change.items():
        place = meta
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    path = folder / "changed.json"
    path.write_text(json.dumps(meta))
    shutil.copy(sidecar.with_suffix(".npz"), folder / "changed.npz")
    return path


def test_command_accepts_a_sidecar_elsewhere(sidecar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sidecar)]) == 0
    printed = capsys.readouterr().out
    assert "ok    bg_param.driving0" in printed
    assert "tolerance     2e-06" in printed


CASE = ("run", "cases", 0)
WRONG: dict[str, tuple[dict[tuple[Any, ...], Any], str]] = {
    "unknown mode": ({(*CASE, "mode"): "sideways"}, "no mode 'sideways'"),
    "other input": ({(*CASE, "inputs", "driving", "start"): 1, (*CASE, "inputs", "driving", "stop"): 2}, "FAIL  bg_"),
    "scaled input": ({(*CASE, "inputs", "source", "mul"): 0.5}, "FAIL  bg_param"),
    "other seed": ({("seed",): 1}, "digest of the weights"),
    "other input seed": ({("input_seed",): 1}, "not the recorded numbers"),
    "unknown input": ({(*CASE, "inputs", "driving", "name"): "nothing"}, "KeyError"),
    "unknown case used": ({(*CASE, "uses"): {"kp_source": "kp.source"}}, "KeyError"),
    "unknown field": ({(*CASE, "outputs"): {"bg_param": "bg_param.driving0", "sky": "sky"}}, "gives no sky"),
    "output not made": ({(*CASE, "outputs"): {}}, "output bg_param.driving0: missing"),
    "wrong shape": ({("outputs", "bg_param.driving0", "shape"): [1, 9]}, "shape"),
    "wrong mean": ({("outputs", "bg_param.driving0", "mean"): 0.4}, "mean or spread"),
    "no configuration": ({("modules", "bg_predictor"): {}}, "cannot be built"),
    "absent module": ({("modules", "kp_predictor"): {"config": {}}}, "kp_predictor: the module is absent"),
}


@pytest.mark.parametrize("name", WRONG)
def test_command_fails_what_differs(
    sidecar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said = WRONG[name]
    assert main([str(changed(sidecar, tmp_path, change))]) == 1
    assert said in capsys.readouterr().out


def test_command_fails_other_keys(sidecar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(sidecar, tmp_path, {})
    lines = (FIXTURES / "tpsmm.keys.txt").read_text().replace("bg_encoder.fc.bias (6,)", "bg_encoder.fc.bias (7,)")
    path.with_suffix(".keys.txt").write_text(lines)
    assert main([str(path)]) == 1
    assert "bg_predictor: bg_encoder.fc.bias: (6,) float32 here, (7,) float32 recorded" in capsys.readouterr().out


UNUSABLE = {
    "no file": lambda path: path.unlink(),
    "not JSON": lambda path: path.write_text("{"),
    "a list": lambda path: path.write_text("[]"),
    "no run block": lambda path: path.write_text('{"method": "fomm", "seed": 0, "input_seed": 0}'),
    "no arrays": lambda path: path.with_suffix(".npz").unlink(),
    "damaged arrays": lambda path: path.with_suffix(".npz").write_bytes(b"PK\x03\x04 and no more"),
    "unknown method": lambda path: path.write_text(path.read_text().replace('"tpsmm"', '"another"', 1)),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_command_refuses_in_one_sentence(
    sidecar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = changed(sidecar, tmp_path, {})
    UNUSABLE[name](path)
    assert main([str(path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("tests.parity.check: ") and said.err.count("\n") == 1
    assert not said.out
