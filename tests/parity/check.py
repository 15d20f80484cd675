"""Hold our networks against the golden outputs of the originals: `python -m tests.parity.check SIDECAR.json ...`.

Builds the modules a sidecar names, compares their state-dict keys, shapes and dtypes with the recorded ones, fills them
with the recorded pseudo-random weights, runs every case of its `run` block and prints each output's largest absolute
difference beside its tolerance. Exit code: 0 all within tolerance; 1 a difference above it, or anything missing; 2 the
sidecar or its files cannot be used. `X.json` needs `X.npz` beside it; keys are read from `X.keys.txt` beside it or from
`tests/fixtures/parity/<method>.keys.txt`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity import fill
from tests.parity.modes import Fields

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
SECTIONS = {"method": str, "seed": int, "input_seed": int, "modules": dict, "run": dict, "outputs": dict}
SCHEMA = 1
Keys = dict[str, dict[str, tuple[tuple[int, ...], str]]]  # module -> key -> (shape, dtype)


class SidecarError(RuntimeError):
    """The sidecar or one of its files cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Golden:
    """A sidecar with all that belongs to it."""

    path: Path
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    keys: Keys
    modes: ModuleType


@dataclass
class Report:
    """`rows`: one per recorded output, worst first (see `fill.compare`). `faults`: all else that is wrong."""

    faults: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.rows) and not self.faults and all(row["ok"] for row in self.rows)


def check(path: Path) -> Report:
    """Everything the command does, without printing. Raises SidecarError."""
    golden = read(path)
    report = Report()
    try:
        modules = golden.modes.build(golden.meta)
    except (KeyError, TypeError, ValueError) as error:
        report.faults.append(f"the networks cannot be built from the configuration: {type(error).__name__}: {error}")
        return report
    report.faults += differing_keys(modules, golden.keys)
    if report.faults:
        return report
    report.faults += fill_modules(modules, golden.meta)
    inputs = make_inputs(golden.meta, report.faults)
    outputs = run_cases(golden, modules, inputs, report.faults)
    report.faults += unrecorded(golden, outputs)
    if not report.faults:
        report.rows = fill.compare(outputs, golden.arrays, golden.meta)
    else:  # show what can be shown
        shown = [name for name in outputs if name in golden.arrays and name in golden.meta["outputs"]]
        report.rows = fill.compare(outputs, golden.arrays, golden.meta, only=shown)
    return report


def read(path: Path) -> Golden:
    """Read a sidecar, its golden arrays, its keys and the modes of its method. Raises SidecarError."""
    path = Path(path)
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SidecarError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise SidecarError(f"{path}: is not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise SidecarError(f"{path}: is not a sidecar: the top level must be an object")
    wrong = [name for name, kind in SECTIONS.items() if not isinstance(meta.get(name), kind)]
    if wrong:
        raise SidecarError(f"{path}: is not a sidecar: lacks {', '.join(wrong)}")
    if meta["run"].get("schema") != SCHEMA or not meta["run"].get("cases"):
        raise SidecarError(f"{path}: needs a `run` block of schema {SCHEMA} with at least one case")
    return Golden(path, meta, _arrays(path.with_suffix(".npz")), _keys(path, meta["method"]), _modes(meta["method"]))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise SidecarError(f"{path}: the golden arrays are missing; they must lie beside the sidecar") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SidecarError(f"{path}: damaged golden arrays ({error})") from error


def _keys(sidecar: Path, method: str) -> Keys:
    places = [sidecar.with_suffix(".keys.txt"), FIXTURES / f"{method}.keys.txt"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise SidecarError(f"{sidecar}: no keys: neither {places[0].name} beside it nor {places[1].name} in {FIXTURES}")
    return read_keys(path)


def read_keys(path: Path) -> Keys:
    """Read lines `module: key shape dtype`, shape as a Python tuple. Raises SidecarError."""
    keys: Keys = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            module, rest = line.split(": ", 1)
            key, rest = rest.split(" ", 1)
            shape, dtype = rest.rsplit(" ", 1)
            sizes = tuple(int(size) for size in shape.strip("()").split(",") if size.strip())
        except ValueError as error:
            raise SidecarError(f"{path}, line {number}: not `module: key shape dtype`") from error
        keys.setdefault(module, {})[key] = sizes, dtype
    return keys


def _modes(method: str) -> ModuleType:
    name = f"tests.parity.modes.{method}"
    if not method.isidentifier() or importlib.util.find_spec(name) is None:
        known = sorted(path.stem for path in (Path(__file__).parent / "modes").glob("[!_]*.py"))
        raise SidecarError(f"no networks for the method {method!r}; there are {', '.join(known)}")
    return import_module(name)


def differing_keys(modules: Mapping[str, nn.Module], keys: Keys) -> list[str]:
    """One sentence per key, shape or dtype of our modules that is not the recorded one, and the other way round."""
    faults = []
    for name, module in modules.items():
        ours = {key: (tuple(value.shape), str(value.dtype).removeprefix("torch."))
                for key, value in module.state_dict().items()}
        recorded = keys.get(name, {})
        for key in sorted(ours.keys() | recorded.keys()):
            if ours.get(key) != recorded.get(key):
                faults.append(f"{name}: {key}: {_entry(ours.get(key))} here, {_entry(recorded.get(key))} recorded")
    return faults


def _entry(entry: tuple[tuple[int, ...], str] | None) -> str:
    return "absent" if entry is None else f"{entry[0]} {entry[1]}"


def fill_modules(modules: Mapping[str, nn.Module], meta: Mapping[str, Any]) -> list[str]:
    """Fill by the recorded rule; a sentence for every module that is absent or whose digest differs."""
    faults = [f"{name}: the module is absent" for name in meta["modules"] if name not in modules]
    for name, module in modules.items():
        fill.fill_module(module, name, meta)
        entry = meta["modules"][name]
        digest = fill.weights_digest(module.state_dict(), entry["fill"].get("fixed", ()))
        if digest != entry["weights_crc32"]:
            faults.append(f"{name}: digest of the weights {digest}, recorded {entry['weights_crc32']}")
    return faults


def make_inputs(meta: Mapping[str, Any], faults: list[str]) -> dict[str, Tensor]:
    """The inputs of the method by name; those that differ from the recorded checksum are added to `faults`."""
    arrays = fill.fixed_inputs(meta["method"], meta["input_seed"])
    for name, info in meta.get("inputs", {}).items():
        made = arrays.get(name)
        if made is None:
            faults.append(f"input {name}: unknown")
        elif "crc32" in info and f"{zlib.crc32(np.ascontiguousarray(made).tobytes()):08x}" != info["crc32"]:
            faults.append(f"input {name}: not the recorded numbers")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def cut(inputs: Mapping[str, Tensor], reference: Mapping[str, Any]) -> Tensor:
    """The part of an input that `{name, axis?, start?, stop?, mul?, add?}` asks for."""
    value = inputs[reference["name"]]
    if "axis" in reference:
        value = value.narrow(reference["axis"], reference["start"], reference["stop"] - reference["start"])
    return value * reference.get("mul", 1.0) + reference.get("add", 0.0)


def run_cases(
    golden: Golden, modules: Mapping[str, nn.Module], inputs: Mapping[str, Tensor], faults: list[str]
) -> dict[str, Tensor]:
    """Output name -> tensor of all cases, in order. A case that cannot run is added to `faults`, never skipped over."""
    done: dict[str, Fields] = {}
    outputs: dict[str, Tensor] = {}
    for case in golden.meta["run"]["cases"]:
        if case["mode"] not in golden.modes.MODES:
            faults.append(f"case {case['name']}: {golden.meta['method']} has no mode {case['mode']!r}")
            continue
        try:
            with torch.inference_mode():
                result = golden.modes.MODES[case["mode"]](
                    modules,
                    {role: cut(inputs, reference) for role, reference in case["inputs"].items()},
                    {role: done[name] for role, name in case["uses"].items()},
                    case["params"],
                    case["align_corners"],
                )
        except Exception as error:  # the other cases still say what is right
            faults.append(f"case {case['name']}: {type(error).__name__}: {error}")
            continue
        done[case["name"]] = result
        for name, output in case["outputs"].items():
            if name in result:
                outputs[output] = result[name]
            else:
                faults.append(f"case {case['name']}: mode {case['mode']} gives no {name}")
    return outputs


def unrecorded(golden: Golden, outputs: Mapping[str, Tensor]) -> list[str]:
    """Outputs that cannot be compared: without a golden array of the right length, or announced but not made."""
    recorded, announced = golden.meta["outputs"], golden.meta["run"].get("output_names", {})
    faults = []
    for name in sorted(recorded.keys() | announced.keys() | outputs.keys()):
        if name not in recorded or name not in golden.arrays:
            faults.append(f"output {name}: no golden value")
        elif golden.arrays[name].shape != (stored_length(recorded[name]),):
            faults.append(f"output {name}: the golden array has another length than the sidecar says")
        elif name not in outputs:
            faults.append(f"output {name}: missing")
    return faults


def stored_length(info: Mapping[str, Any]) -> int:
    """How many numbers a golden file holds of an output: every `stride`-th."""
    return len(range(0, int(np.prod(info["shape"])), info["stride"]))


def show(path: Path, report: Report) -> None:
    """Print faults, then one line per output."""
    width = max([len(row["name"]) for row in report.rows], default=0)
    for fault in report.faults:
        print(f"FAIL  {fault}")
    for row in report.rows:
        verdict = "ok  " if row["ok"] else "FAIL"
        why = f"  {row['why']}" if "why" in row else ""
        if not row["ok"] and not why and row["max_abs"] <= row["tolerance"]:
            why = f"  mean or spread of the whole output off by {row['stat']:.3g}"
        print(f"{verdict}  {row['name']:<{width}}  {row['max_abs']:9.3g}  tolerance {row['tolerance']:9.3g}{why}")
    good = sum(row["ok"] for row in report.rows)
    print(f"{path.name}: {good} of {len(report.rows)} outputs within tolerance, {len(report.faults)} other faults")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity.check", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sidecars", nargs="+", type=Path, metavar="SIDECAR.json")
    failed = False
    for path in parser.parse_args(arguments).sidecars:
        try:
            report = check(path)
        except SidecarError as error:
            print(f"tests.parity.check: {error}", file=sys.stderr)
            return 2
        show(path, report)
        failed |= not report.ok
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
