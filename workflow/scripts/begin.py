"""Decides whether a job goes on where a killed one stopped or starts anew.

Training and generation keep what is finished in their folder. That is right after an interruption and wrong after a
change, so the folder remembers, in `.begun`, the job it was begun for: its parameters, the digest of its code and the
state of its input files. Where that differs, the folder is emptied.

    python workflow/scripts/begin.py FOLDER JOB [INPUT ...]
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

MARK = ".begun"


def job_key(job: str, inputs: list[Path]) -> str:
    """sha256 over the job's description and the path, size and time of each input file."""
    digest = hashlib.sha256(job.encode())
    for path in inputs:
        state = path.stat()
        digest.update(f"\0{path}\0{state.st_size}\0{state.st_mtime_ns}".encode())
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
    folder, job, *inputs = sys.argv[1:]
    begin(Path(folder), job_key(job, [Path(name) for name in inputs]))
