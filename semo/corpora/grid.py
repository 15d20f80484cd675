"""GRID (Cooke et al. 2006): 33 people on video, 1000 sentences of 3 s each; on Zenodo under CC BY 4.0, no form."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import urllib.request
import zipfile
import zlib
from pathlib import Path

from semo.corpora import Options
from semo.corpora.lock import exclusive
from semo.datasets import Dataset
from semo.errors import DatasetError, WriteError
from semo.registry import TIMEOUT, WeightFile, download
from semo.splits import SplitRow

RECORD = "https://zenodo.org/api/records/3625687"
PEOPLE = [f"s{number}" for number in range(1, 35) if number != 21]  # of s21 there is sound only
TESTED = {"LipNet": "s1 s2 s20 s22".split(), "ours": "s5 s12 s17 s24 s29 s33".split()}
FRAMES = 75


def obtain(dataset: Dataset, record: Path, options: Options, address: str = RECORD) -> dict:
    """Fetch each person's archive, check it against the md5 that the record states, and unpack it."""
    with exclusive(dataset.folder):
        todo = [person for person in PEOPLE if not _complete(dataset.folder / person)]
        files = _stated(address) if todo else {}
        for person in todo:
            _fetch_person(dataset, person, files)
    videos = {person: sum(1 for _ in (dataset.folder / person).glob("*.mpg")) for person in PEOPLE}
    return {"videos": sum(videos.values()), "people": len(videos)}


def _complete(folder: Path) -> bool:
    """Whether the person's videos are here: unpacked by an earlier run, or placed by somebody."""
    return folder.is_dir() and any(folder.glob("*.mpg"))


def _stated(address: str) -> dict[str, tuple[str, int, str]]:
    """Name -> address, bytes and md5 of every file, as the archive's record states them."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            files = json.load(answer)["files"]
        return {file["key"]: (file["links"]["self"], int(file["size"]), file["checksum"].removeprefix("md5:"))
                for file in files}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"GRID's record {address} cannot be read ({error}); connect this machine, or unpack s1.zip "
                           "to s34.zip of https://zenodo.org/records/3625687 into the data set's folder") from error


def _fetch_person(dataset: Dataset, person: str, files: dict[str, tuple[str, int, str]]) -> None:
    name = f"{person}.zip"
    if name not in files:
        raise DatasetError(f"GRID's record has no {name}; see {dataset.page}")
    url, size, md5 = files[name]
    archive = dataset.folder / ".partial" / name
    archive.parent.mkdir(exist_ok=True)
    if not archive.is_file():
        download(WeightFile(name, url, size), archive)
    digest = hashlib.md5(usedforsecurity=False)
    with open(archive, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != md5:
        archive.unlink()
        raise DatasetError(f"{name}: its md5 is not the one its record states; run again to download it anew")
    _unpack(archive, dataset.folder / person)
    archive.unlink()


def _unpack(archive: Path, folder: Path) -> None:
    """The videos of an archive, in whichever folder it holds them, into `folder`: all of them or nothing."""
    partial = archive.with_suffix("")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        with zipfile.ZipFile(archive) as content:
            for item in content.infolist():
                if re.fullmatch(r"(?:.*/)?\w+\.mpg", item.filename):
                    with content.open(item) as source, open(partial / Path(item.filename).name, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
        if not any(partial.iterdir()):
            raise DatasetError(f"{archive}: holds no .mpg videos")
        if folder.exists():
            folder.rmdir()  # an empty one that somebody made
        os.replace(partial, folder)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{archive}: is damaged ({error}); remove it, then run again") from error
    except OSError as error:
        full = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise WriteError(f"{folder}: cannot be written ({full}); nothing is lost, run again to go on") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def split_rows() -> list[SplitRow]:
    """The split: LipNet's four unseen people and six of ours are tested on the sentences `<verb> blue ... two ...`.

    Everybody says each colour, letter and digit together once: that makes 25 sentences a person, one for each letter.
    All sentences of the others are for training.
    """
    lists = {person: name for name, people in TESTED.items() for person in people}
    rows = []
    for person in PEOPLE:
        sentence = r"[bslp]b[abiw][a-z]2[anps]" if person in lists else r"\w+"
        rows.append(SplitRow(None, person, "test" if person in lists else "train", rf"{person}/{sentence}\.mpg", 0.0,
                             FRAMES, list=lists.get(person, "ours")))
    return rows
