"""Config, datasets, weights and ablations: read, checked against the schemas, refused in one sentence."""

from __future__ import annotations

import csv
import difflib
import os
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match


class SettingsError(ValueError):
    """A setting that cannot be used; the message says which, where, and what would do."""


def typed(data: Any) -> Any:
    """Settings with numbers as numbers: `--config budgets={eval_clips: 3}` leaves nested values as text."""
    if isinstance(data, dict):
        return {key: typed(value) for key, value in data.items()}
    if isinstance(data, list):
        return [typed(value) for value in data]
    return int(data) if isinstance(data, str) and data.isdecimal() else data


def check(data: Any, schema_file: Path, where: str) -> None:
    """Raise SettingsError with one sentence where `data` does not fit the JSON schema; `where` names its file."""
    validator = Draft202012Validator(yaml.safe_load(schema_file.read_text()))
    error = best_match(validator.iter_errors(data))
    if error is not None:
        raise SettingsError(_sentence(error, where))


def _sentence(error: ValidationError, where: str) -> str:
    place = ".".join(str(part) for part in error.absolute_path)
    at = f"{where}: {place}" if place else where
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known), key=str)[0]
        close = difflib.get_close_matches(str(unknown), known, n=1)
        return f"{at} has the unknown key {unknown!r}; " + (
            f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(known)}."
        )
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))
        return f"{at} lacks the key {missing[0]!r}."
    return f"{at} is {error.instance!r}, but {_wanted(error)}."


def _wanted(error: ValidationError) -> str:
    rule = error.validator_value
    match error.validator:
        case "enum":
            return f"must be one of {', '.join(map(str, rule))}"
        case "type":
            return f"must be of type {rule}"
        case "minimum":
            return f"must be at least {rule}"
        case "maximum":
            return f"must be at most {rule}"
        case "multipleOf":
            return f"must be a multiple of {rule}"
        case "pattern":
            return f"must match {rule}"
        case _:
            return f"does not fit {error.validator}: {rule}"


def read_entries(path: Path, key: str, schemas: Path) -> dict[str, dict]:
    """The mapping under `key` of datasets.yaml or weights.yaml, each entry checked against `<key>.schema.yaml`."""
    try:
        data = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist; restore it from git.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    check(data, schemas / f"{key}.schema.yaml", str(path))
    return {name: _settled(entry, path.resolve().parents[2]) for name, entry in (data[key] or {}).items()}


def _settled(entry: dict, root: Path) -> dict:
    """The entry with `enabled: where-present` replaced by whether its folder is there."""
    if entry.get("enabled") != "where-present":
        return entry
    folder = os.path.expandvars(entry["path"])
    return entry | {"enabled": "$" not in folder and (root / os.path.expanduser(folder)).is_dir()}


def read_ablations(path: Path, schemas: Path) -> list[dict]:
    """Rows of ablations.tsv in order, numbers converted; run names are unique."""
    with open(path, newline="") as stream:
        rows = [
            {name: _number(name, value) for name, value in row.items()}
            for row in csv.DictReader(stream, delimiter="\t")
        ]
    for line, row in enumerate(rows, start=2):
        check(row, schemas / "ablations.schema.yaml", f"{path}, line {line}")
    runs = [row["run"] for row in rows]
    twice = sorted({run for run in runs if runs.count(run) > 1})
    if twice:
        raise SettingsError(f"{path} names the run {twice[0]!r} twice; every run needs its own name.")
    return rows


def _number(name: str | None, value: str | None) -> Any:
    try:
        if name in ("motion_tokens", "motion_dim"):
            return int(value)
        return float(value) if name == "mask_max" else value
    except (TypeError, ValueError):
        return value
