"""How the files of single data sets are obtained and checked: one module each, named by `recipe` in datasets.yaml.

A recipe has `obtain(dataset, record, options) -> dict`: it brings the files into the data set's folder, or checks those
that the user placed there, writes its tables into the folder `record`, and returns figures for `fetched.json`. It
raises DatasetError with one sentence that says what to do. Where the split can be written down before the videos are
here, `split_rows()` returns the rows of data/splits/<dataset>.tsv by a stated rule.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType

from semo.errors import DatasetError


@dataclass(frozen=True)
class Options:
    """What a call of data/fetch.py may ask for.

    `retry`: try again what was found to be gone. `accept_missing`: what cannot be downloaded this time counts as gone.
    """

    retry: bool = False
    accept_missing: bool = False


def recipe(name: str) -> ModuleType:
    """The module of a recipe. Raises DatasetError for an unknown one."""
    module = f"semo.corpora.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        raise DatasetError(f"there is no recipe {name!r}: semo/corpora has no {name}.py")
    return importlib.import_module(module)
