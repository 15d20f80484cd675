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
    """One file of a network; `bytes` and `sha256` may be unknown (None) where its publisher states none.

    `sha256` may be the first digits alone, as torch writes them into file names.
    """

    name: str
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Weight:
    """One entry of weights.yaml. `manual`: where to get what no program may or can download, in one sentence."""

    id: str
    role: str
    licence: str
    page: str
    files: tuple[WeightFile, ...]
    hub: str | None = None
    manual: str | None = None


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
    if not files or any(item.url is None for item in files) and weight.hub is None and weight.manual is None:
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
    refused: list[str] = []
    paths = {item.name: _in_mirrors(weight, item, mirror_folders(weights_dir), refused) for item in weight.files}
    missing = [item for item, path in paths.items() if path is None]
    if missing:
        raise DatasetError(f"the network {name} ({weight.role}) is not on this machine: run `semo fetch {name}`, or "
                           f"name a folder that holds {', '.join(missing)} by --weights-dir or SEMO_WEIGHTS"
                           + "".join(f"; {reason}" for reason in refused))
    return {item: path for item, path in paths.items() if path is not None}


def listing(weights_dir: Path | None = None, file: Path = WEIGHTS_FILE, store: Path = STORE) -> list[str]:
    """One line per network: id, role, licence, size as far as stated, and whether it is here."""
    lines = []
    for name in yaml.safe_load(Path(file).read_text())["weights"]:
        weight = read_weight(name, file)
        try:
            folder = next(iter(locate(name, weights_dir, file, store).values())).parent
            state = f"here, in {_shown(folder)}"
        except DatasetError:
            state = "by hand" if weight.manual else "can be fetched"
        known = [item.bytes for item in weight.files if item.bytes]
        size = f"{sum(known) / 1e6:,.1f} MB" if len(known) == len(weight.files) else "size not stated"
        lines.append(f"{name:<22} {state:<32} {size:>16}  {weight.licence}: {weight.role}")
    return lines


def fetch_weight(name: str, weights_dir: Path | None = None, file: Path = WEIGHTS_FILE, store: Path = STORE) -> Path:
    """Bring a network's files into `store/<name>`, checked, and return that folder. Raises DatasetError."""
    weight = read_weight(name, file)
    folder = store / weight.id
    if _finished(weight, folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for item in weight.files:
        _obtain(weight, item, folder / item.name, mirror_folders(weights_dir))
    record = {"weight": weight.id, "licence": weight.licence,
              "files": {item.name: {"bytes": (folder / item.name).stat().st_size, "sha256": _sha256(folder / item.name)}
                        for item in weight.files}}
    with replaced_when_complete(folder / "fetched.json") as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")
    return folder


def _obtain(weight: Weight, item: WeightFile, target: Path, mirrors: list[Path]) -> None:
    """Bring one file to `target` from where it lies already, a mirror folder, its address, or the hub."""
    placed_by_hand = item.url is None and weight.hub is None
    wrong = _mismatch(target, item) if target.is_file() else "absent"
    if wrong is None and (item.sha256 or placed_by_hand):
        return
    refused = [f"{target} is refused: {wrong}"] if wrong not in (None, "absent") else []
    mirrored = _in_mirrors(weight, item, mirrors, refused)
    try:
        if mirrored is not None:
            with replaced_when_complete(target) as partial:
                shutil.copyfile(mirrored, partial)
        elif item.url is not None:
            download(item, target)
        elif weight.hub is not None:
            _from_hub(weight, item, target)
        else:
            raise DatasetError(f"{weight.id}: {item.name} must be obtained by hand: {str(weight.manual).rstrip('. ')}; "
                               f"place it in {_shown(target.parent)}, or in a folder named by --weights-dir or "
                               "SEMO_WEIGHTS")
    except (DatasetError, MediaError) as error:
        raise DatasetError("; ".join([str(error), *refused])) from error


def _finished(weight: Weight, folder: Path) -> bool:
    """Whether an earlier fetch of exactly these files is complete; contents were checked then, sizes are now."""
    try:
        record = json.loads((folder / "fetched.json").read_text())["files"]
        return all((folder / item.name).stat().st_size == record[item.name]["bytes"]
                   and record[item.name]["sha256"].startswith(item.sha256 or "") for item in weight.files)
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
    if item.sha256 is not None and not (found := _sha256(path)).startswith(item.sha256):
        return f"its sha256 is {found[:12]}..., expected {item.sha256[:12]}..."
    return None


def _in_mirrors(weight: Weight, item: WeightFile, mirrors: list[Path], refused: list[str]) -> Path | None:
    """The file in a mirror folder, None where none has it; says in `refused` what has its name and is not it."""
    for folder in mirrors:
        # A name such as config.json says nothing by itself: unchecked files count only in the network's own folder.
        for path in [folder / weight.id / item.name] + ([folder / item.name] if item.sha256 else []):
            wrong = _mismatch(path, item) if path.is_file() else "absent"
            if wrong is None:
                return path
            if wrong != "absent":
                refused.append(f"{path} is refused: {wrong}")
    return None


def _shown(folder: Path) -> str:
    return folder.relative_to(PROJECT).as_posix() if folder.is_relative_to(PROJECT) else str(folder)


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
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # it warns at every attempt; what went wrong is said below, once
    try:
        hf_hub_download(str(weight.hub), item.name, local_dir=target.parents[item.name.count("/")])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = re.split(r"[.\n]", str(error))[0]
        raise DatasetError(f"{weight.id}: {item.name} cannot be fetched from {weight.page} ({reason}); connect this "
                           f"machine, or place it in a folder {weight.id} below a mirror folder (--weights-dir, "
                           "SEMO_WEIGHTS)") from error
