"""Networks trained elsewhere: entries of weights.yaml, found in the local store or a mirror folder, or downloaded."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

from semo.errors import DatasetError, MediaError
from semo.progress import progress
from semo.video_writer import replaced_when_complete

PROJECT = Path(__file__).resolve().parent.parent
WEIGHTS_FILE = PROJECT / "workflow" / "config" / "weights.yaml"
STORE = PROJECT / "data" / "weights"
TIMEOUT = 30  # seconds without an answer
BLOCK = 1 << 18


@dataclass(frozen=True)
class WeightFile:
    """One file of a network; `bytes` and `sha256` may be unknown (None) for files of the model hub."""

    name: str
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Weight:
    """One entry of weights.yaml."""

    id: str
    role: str
    licence: str
    page: str
    files: tuple[WeightFile, ...]
    hub: str | None = None


def read_weight(name: str, file: Path = WEIGHTS_FILE) -> Weight:
    """One checked entry. Raises DatasetError of one sentence."""
    try:
        entries = (yaml.safe_load(Path(file).read_text()) or {}).get("weights") or {}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise DatasetError(f"{file}: cannot be read as a table of weights ({' '.join(str(error).split())})") from error
    if name not in entries:
        raise DatasetError(f"{file}: has no weights {name!r}; it has {', '.join(entries) or 'none'}")
    try:
        entry = dict(entries[name])
        files = tuple(WeightFile(**item) for item in entry.pop("files"))
        weight = Weight(id=name, files=files, **entry)
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{file}: weights {name} have a missing or unknown key ({error})") from error
    if not files or any(item.url is None for item in files) and weight.hub is None:
        raise DatasetError(f"{file}: weights {name} state no address for some file")
    return weight


def mirror_folders(weights_dir: Path | None = None) -> list[Path]:
    """Folders searched before downloading: the given one, then those of SEMO_WEIGHTS."""
    named = [weights_dir] if weights_dir else []
    return [Path(folder) for folder in (*named, *os.environ.get("SEMO_WEIGHTS", "").split(os.pathsep)) if folder]


def locate(name: str, weights_dir: Path | None = None, file: Path = WEIGHTS_FILE,
           store: Path = STORE) -> dict[str, Path]:
    """Paths of a network's files by name, from the store or a mirror, without downloading. Raises DatasetError."""
    weight = read_weight(name, file)
    if _finished(weight, store / weight.id):
        return {item.name: store / weight.id / item.name for item in weight.files}
    paths = {item.name: _in_mirrors(weight, item, mirror_folders(weights_dir)) for item in weight.files}
    missing = [item for item, path in paths.items() if path is None]
    if missing:
        raise DatasetError(f"the network {name} ({weight.role}) is not on this machine: run `python data/fetch.py "
                           f"--weight {name}`, or name a folder that holds {', '.join(missing)} by --weights-dir or "
                           "SEMO_WEIGHTS")
    return {item: path for item, path in paths.items() if path is not None}


def fetch_weight(name: str, weights_dir: Path | None = None, file: Path = WEIGHTS_FILE, store: Path = STORE) -> Path:
    """Bring a network's files into `store/<name>`, checked, and return that folder. Raises DatasetError."""
    weight = read_weight(name, file)
    folder = store / weight.id
    if _finished(weight, folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for item in weight.files:
        target = folder / item.name
        if target.is_file() and _mismatch(target, item) is None and item.sha256:
            continue
        mirrored = _in_mirrors(weight, item, mirror_folders(weights_dir))
        if mirrored is not None:
            try:
                with replaced_when_complete(target) as partial:
                    shutil.copyfile(mirrored, partial)
            except MediaError as error:
                raise DatasetError(str(error)) from error
        elif item.url is not None:
            download(item, target)
        else:
            _from_hub(weight, item, target)
    record = {"weight": weight.id, "licence": weight.licence,
              "files": {item.name: {"bytes": (folder / item.name).stat().st_size, "sha256": _sha256(folder / item.name)}
                        for item in weight.files}}
    with replaced_when_complete(folder / "fetched.json") as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")
    return folder


def _finished(weight: Weight, folder: Path) -> bool:
    """Whether an earlier fetch of exactly these files is complete; contents were checked then, sizes are now."""
    try:
        record = json.loads((folder / "fetched.json").read_text())["files"]
        return all((folder / item.name).stat().st_size == record[item.name]["bytes"]
                   and item.sha256 in (None, record[item.name]["sha256"]) for item in weight.files)
    except (OSError, ValueError, KeyError):
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _mismatch(path: Path, item: WeightFile) -> str | None:
    """Why a file is not the one the entry describes, None if it is."""
    size = path.stat().st_size
    if item.bytes is not None and size != item.bytes:
        return f"it has {size} bytes, expected {item.bytes}"
    if item.sha256 is not None and (found := _sha256(path)) != item.sha256:
        return f"its sha256 is {found[:12]}..., expected {item.sha256[:12]}..."
    return None


def _in_mirrors(weight: Weight, item: WeightFile, mirrors: list[Path]) -> Path | None:
    for folder in mirrors:
        # A name such as config.json says nothing by itself: unchecked files count only in the network's own folder.
        for path in [folder / weight.id / item.name] + ([folder / item.name] if item.sha256 else []):
            if path.is_file() and _mismatch(path, item) is None:
                return path
    return None


def download(item: WeightFile, target: Path) -> None:
    """Download one file, going on where an interrupted download stopped, and check it. Raises DatasetError."""
    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(str(item.url), headers={"Range": f"bytes={have}-"} if have else {})
    try:
        if item.bytes is None or have < item.bytes:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                resumed = have > 0 and answer.status == 206
                _receive(answer, part, "ab" if resumed else "wb", item, have if resumed else 0)
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) == 28:
            raise DatasetError(f"{target}: the disk is full; free some space and run again") from error
        raise DatasetError(f"{item.name}: cannot be downloaded from {item.url} ({getattr(error, 'reason', error)}); "
                           "connect this machine, or place the file in a folder named by --weights-dir or "
                           "SEMO_WEIGHTS") from error
    if item.bytes is not None and (got := part.stat().st_size) < item.bytes:
        raise DatasetError(f"{item.name}: the download from {item.url} broke off at {got} of {item.bytes} bytes; run "
                           "again to go on from there")
    wrong = _mismatch(part, item)
    if wrong:
        part.unlink()
        raise DatasetError(f"{item.name}: the download from {item.url} is not the expected file: {wrong}; run again, "
                           "or place the right file in a mirror folder")
    os.replace(part, target)


def _receive(answer, part: Path, mode: str, item: WeightFile, have: int) -> None:
    with open(part, mode) as stream, progress(item.bytes, "bytes", f"download {item.name}", done=have) as bar:
        while block := answer.read(BLOCK):
            stream.write(block)
            bar.advance(len(block))


def _from_hub(weight: Weight, item: WeightFile, target: Path) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        hf_hub_download(str(weight.hub), item.name, local_dir=target.parent)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = re.split(r"[.\n]", str(error))[0]
        raise DatasetError(f"{weight.id}: {item.name} cannot be fetched from {weight.page} ({reason}); connect this "
                           f"machine, or place it in a folder {weight.id} below a mirror folder (--weights-dir, "
                           "SEMO_WEIGHTS)") from error
