"""Decides whether a job goes on where a killed one stopped or starts anew.

Training and generation keep what is finished in their folder. That is right after an interruption and wrong after a
change, so the folder remembers in `.begun` which job it was begun for: its parameters, the digest of its code and the
state of its input files. Where that differs, the folder is emptied.

    python workflow/scripts/begin.py FOLDER PARAMETER_OR_INPUT ...
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

MARK = ".begun"


def job_key(arguments: list[str]) -> str:
    """sha256 over all arguments, and the size and time of those that name a file."""
    digest = hashlib.sha256()
    for argument in arguments:
        digest.update(argument.encode() + b"\0")
        if argument and Path(argument).is_file():
            state = Path(argument).stat()
            digest.update(f"{state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def begin(folder: Path, key: str) -> bool:
    """Empty `folder` unless it was begun for this key; True where the job goes on in it."""
    mark = folder / MARK
    if mark.is_file() and mark.read_text() == key:
        return True
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.write_text(key)
    return False


if __name__ == "__main__":
    begin(Path(sys.argv[1]), job_key(sys.argv[2:]))
