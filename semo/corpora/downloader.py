"""Downloaders of videos from pages of the web: the interface, and yt-dlp as a program."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from semo.errors import DatasetError, WriteError

# What the page says of a video that no later run will get either.
GONE = re.compile(r"video (is )?(unavailable|not available|private|no longer available)|private video|has been removed"
                  r"|removed by the uploader|account .*terminated|been terminated|copyright|members.only|does not exist"
                  r"|not (made this video )?available in your country|not available from your location"
                  r"|confirm your age|age.restricted|HTTP Error (404|410)", re.IGNORECASE)
BUSY = re.compile(r"try again later|not a bot|HTTP Error (403|429|5\d\d)|rate.limit", re.IGNORECASE)  # said of it, too
FULL = re.compile(r"No space left on device|Errno 28|disk quota exceeded", re.IGNORECASE)
TIMEOUT = 30  # seconds without an answer


class Gone(Exception):
    """The video is no longer obtainable; the message is the reason its page gives."""


class Failed(Exception):
    """The video could not be downloaded this time."""


class Downloader(Protocol):
    """Downloads one video with its sound. Raises Gone, Failed, or WriteError for a full disk."""

    def __call__(self, url: str, folder: Path, name: str, lines: int) -> Path:
        """Download `url` as `folder/<name>.<container>` and return that path.

        Of several sizes the largest with at most `lines` picture rows is taken, else the smallest. `folder` is this
        video's own: what an interrupted call left there is gone on with.
        """
        ...


@dataclass(frozen=True)
class YtDlp:
    """yt-dlp (https://github.com/yt-dlp/yt-dlp) as a subprocess; `command` starts it."""

    command: tuple[str, ...]

    def __call__(self, url: str, folder: Path, name: str, lines: int) -> Path:
        arguments = ["--no-playlist", "--no-progress", "--no-warnings", "--continue", "--no-mtime", "--retries", "3",
                     "--socket-timeout", str(TIMEOUT), "--format", "bv*+ba/b", "--format-sort", f"res:{lines}",
                     "--merge-output-format", "mkv", "--output", f"{name}.%(ext)s", "--", url]
        done = subprocess.run([*self.command, *arguments], cwd=folder, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              close_fds=False)  # with the store's lock: see semo.corpora.lock
        made = [path for path in folder.glob(f"{name}.*") if path.suffix not in (".part", ".ytdl")
                and path.stem == name]
        if done.returncode == 0 and len(made) == 1:
            return made[0]
        raise _failure(done.stdout, folder / name, made)


def yt_dlp_when_needed(url: str, folder: Path, name: str, lines: int) -> Path:
    """A Downloader: yt-dlp, looked for at the first video that is not here."""
    return find_yt_dlp()(url, folder, name, lines)


def _failure(output: str, target: Path, made: list[Path]) -> Exception:
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.splitlines()[-1:]
    reason = re.sub(r"^ERROR:\s*(\[[^\]]*\]\s*)?([\w-]{11}:\s)?", "", errors[-1] if errors else "")
    reason = " ".join(reason.split())[:300] or "yt-dlp says nothing"
    if FULL.search(output):
        return WriteError(f"{target}: the disk is full; free some space and run again to go on from there")
    if GONE.search(reason) and not BUSY.search(reason):
        return Gone(reason)
    return Failed(f"yt-dlp made {len(made)} files" if made else reason)


def find_yt_dlp(which: Callable[[str], str | None] = shutil.which) -> YtDlp:
    """The yt-dlp of this machine. Raises DatasetError where it is missing, or ffmpeg, which joins picture and sound.

    It is not among the project's pinned packages: it must follow its sites and is best installed anew before a fetch.
    """
    found = which("yt-dlp")
    if found is None and importlib.util.find_spec("yt_dlp") is None:
        raise DatasetError("yt-dlp, which downloads the videos, is not installed: run `pip install -U yt-dlp`, or "
                           "place the videos in the data set's folder yourself")
    if which("ffmpeg") is None:
        raise DatasetError("ffmpeg, with which yt-dlp joins picture and sound, is not installed: install it with the "
                           "package manager of this machine or of conda")
    return YtDlp((found,) if found else (sys.executable, "-m", "yt_dlp"))
