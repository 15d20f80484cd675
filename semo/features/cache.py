"""Keeps features, and values of pairs, on disk: a second score of the same clips only does arithmetic.

An entry is named by the sha256 of all that decides its content: network weights, preprocessing, the code of this
package, and the clip's bytes with the way they were read. Entries are written under a temporary name and renamed; one
that cannot be read is made again; a folder that cannot be written is used for reading only.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from semo.features.base import Features

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def code_digest() -> str:
    """sha256 over the sources that decide features and values: networks, metrics, reading of media."""
    folders = [PACKAGE / "features", PACKAGE / "metrics"]
    files = [*(path for folder in folders for path in folder.rglob("*.py")), *PACKAGE.glob("media.py")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key(*parts: str) -> str:
    """The name of an entry that these texts decide."""
    return hashlib.sha256("\0".join((code_digest(), *parts)).encode()).hexdigest()


class FeatureCache:
    """A folder of entries; without a folder nothing is kept."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.writable = folder is not None

    def features(self, name: str) -> Features | None:
        """The arrays kept under `name`, None where there are none."""
        if self.folder is None:
            return None
        try:
            with np.load(self._path(name, ".npz"), allow_pickle=False) as data:
                return dict(data)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None

    def keep_features(self, name: str, features: Features) -> None:
        self._write(self._path(name, ".npz"), lambda stream: np.savez(stream, **features))

    def value(self, name: str) -> tuple[float | None] | None:
        """The number kept under `name` in a tuple of one, since it may be None; None where nothing is kept."""
        if self.folder is None:
            return None
        try:
            return (json.loads(self._path(name, ".json").read_text())["value"],)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_value(self, name: str, value: float | None) -> None:
        self._write(self._path(name, ".json"), lambda stream: stream.write(json.dumps({"value": value}).encode()))

    def _path(self, name: str, suffix: str) -> Path:
        return (self.folder or Path()) / name[:2] / f"{name}{suffix}"

    def _write(self, path: Path, write) -> None:
        if not self.writable:
            return
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as stream:
                write(stream)
            os.replace(partial, path)
        except OSError as error:
            self.writable = False
            print(f"note: {self.folder}: cannot be written ({error.strerror}); features are not kept", file=sys.stderr)
            try:
                partial.unlink(missing_ok=True)
            except OSError:
                pass
