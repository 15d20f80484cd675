"""One run at a time on a folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semo.errors import DatasetError, WriteError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` (made where it is missing) while the block runs.

    Raises DatasetError at once where another process holds it. The kernel lets go of it with the process, however it
    ends. Programs started with `close_fds=False` hold it too: an orphaned download keeps a second run out.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / ".lock", "a+")
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror})") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise DatasetError(f"{folder}: {holder} is at work there; wait for its end, then run again") from None
        os.set_inheritable(stream.fileno(), True)
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        yield
