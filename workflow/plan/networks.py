"""Which codec and which speech features a run trains with: the first of the config's list that is on this machine."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from plan.settings import SettingsError

PRESET = "preset"  # value of the config's keys: what the preset says, wherever its library finds it
# What the config may name -> kind in the preset. Those that weights.yaml does not have need no file.
CODECS = {"sd-vae": "vae", "taef2": "taef2", "patch-pca": "patch-pca", "pixel": "pixel"}
AUDIO = {"whisper-base": "whisper", "logmel": "logmel"}


class Networks:
    """`settings`: overrides of the preset as `key=value`; `notes`: one sentence for every choice but the first."""

    def __init__(self, config: dict, weights: dict[str, dict], root: Path) -> None:
        self.root, self.weights = root, weights
        self.settings: list[str] = []
        self.notes: list[str] = []
        for key, kinds, kind_key, path_key in (
            ("codec", CODECS, "codec.kind", "codec.path"),
            ("audio", AUDIO, "stage2.audio", "stage2.audio_path"),
        ):
            if config[key] != PRESET:
                name, folder = self._first(key, config[key])
                path = "null" if folder is None else shlex.quote(str(folder))
                self.settings += [f"{kind_key}={kinds[name]}", f"{path_key}={path}"]

    def _first(self, key: str, names: list[str]) -> tuple[str, Path | None]:
        """The first name that needs no file or whose files are here, and their folder."""
        absent = []
        for name in names:
            folder = self.folder(name) if name in self.weights else None
            if folder is not None or name not in self.weights:
                if absent:
                    where = f" in {folder}" if folder else ""
                    self.notes.append(f"{key}: {_not_here(absent)}; {name}{where} is used instead.")
                return name, folder
            absent.append(name)
        free = "patch-pca" if key == "codec" else "logmel"
        raise SettingsError(f"config: {key}: {_not_here(absent)}; or add {free} to the list, which needs no file.")

    def folder(self, name: str) -> Path | None:
        """Where a network's files lie, data/weights or a folder of SEMO_WEIGHTS; names and sizes are compared."""
        files = self.weights[name]["files"]
        places = [self.root / "data/weights" / name] if self._fetched(name) else []
        for mirror in filter(None, os.environ.get("SEMO_WEIGHTS", "").split(os.pathsep)):
            places.append(Path(mirror, name))
            if all("sha256" in file for file in files):  # config.json says nothing by itself
                places.append(Path(mirror))
        return next((place for place in places if all(_is_here(place, file) for file in files)), None)

    def _fetched(self, name: str) -> bool:
        return (self.root / "data/weights" / name / "fetched.json").is_file()


def _is_here(folder: Path, file: dict) -> bool:
    path = folder / file["name"]
    return path.is_file() and file.get("bytes") in (None, path.stat().st_size)


def _not_here(names: list[str]) -> str:
    commands = ", ".join(f"`semo fetch {name}`" for name in names)
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not on this machine ({commands})"
