"""Figures, one file each: a module `<name>.py` with a function `figure(inputs) -> matplotlib Figure`."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
from pathlib import Path

from semo.report.definitions import ReportError
from semo.report.figures._style import DPI, apply, message
from semo.report.tables import Inputs


class MissingInput(Exception):
    """Something a figure shows was not made in this run; the message is the reason printed in its place."""


def names() -> list[str]:
    """All figures, by the names of their files."""
    return sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))


def draw(name: str, inputs: Inputs, out: Path) -> None:
    """Draw one figure as PNG. What a run did not make is drawn as a sentence, so a figure always exists.

    Raises ReportError for an unknown name.
    """
    if name not in names():
        raise ReportError(f"no figure {name!r}; known: {', '.join(names())}")
    apply()
    module = importlib.import_module(f"{__name__}.{name}")
    try:
        figure = module.figure(inputs)
    except MissingInput as missing:
        figure = message(name.replace("_", " "), f"not run: {missing}")
    stream = io.BytesIO()
    # Without the version of matplotlib in the file, equal pictures are equal files.
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.write_bytes(stream.getvalue())
    os.replace(partial, out)
