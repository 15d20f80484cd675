"""A web server with small videos, and downloaders to fetch them: what the tests of the fetch need of the internet."""

from __future__ import annotations

import http.server
import stat
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from semo.corpora.downloader import Failed, Gone
from semo.media import write_lossless


class Site:
    """Answers /watch?v=NAME with the bytes of NAME, by ranges; some are gone or break off; `asked` holds the calls."""

    def __init__(self, videos: dict[str, bytes]):
        self.videos = videos
        self.gone: set[str] = set()
        self.limit: dict[str, int] = {}  # bytes after which the line breaks
        self.asked: list[tuple[str, str | None]] = []
        self.address = "http://127.0.0.1:9"

    def page(self, name: str) -> str:
        return f"{self.address}/watch?v={name}"


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("=", 1)[-1].strip("/")
            wanted = self.headers.get("Range")
            site.asked.append((name, wanted))
            if name in site.gone or name not in site.videos:
                return self.send_error(404)
            start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
            body = site.videos[name][start:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Type", "video/x-matroska")
            self.send_header("Content-Length", str(len(body)))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{start + len(body)}")
            self.end_headers()
            self.wfile.write(body[:site.limit.get(name)])

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        site.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield site
        server.shutdown()


@dataclass
class Plain:
    """A downloader that reads the address itself, going on where it broke off."""

    called: list[str] = field(default_factory=list)

    def __call__(self, url: str, folder: Path, name: str, lines: int) -> Path:
        self.called.append(name)
        part = folder / f"{name}.mkv.part"
        have = part.stat().st_size if part.is_file() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer, open(part, "ab") as stream:
                stated = int(answer.headers["Content-Length"])
                got = 0
                while block := answer.read(1 << 12):
                    stream.write(block)
                    got += len(block)
        except urllib.error.HTTPError as error:
            raise Gone(f"HTTP Error {error.code}") from error
        except OSError as error:
            raise Failed(str(error)) from error
        if got < stated:
            raise Failed(f"{got} of {stated} bytes")
        return part.rename(folder / f"{name}.mkv")


# As yt-dlp behaves: options before `--`, the template after --output, errors as lines that begin with ERROR:.
YT_DLP = """#!{python}
import os, sys, time, urllib.error, urllib.request
url, template = sys.argv[-1], sys.argv[sys.argv.index("--output") + 1]
with open(os.environ["CALLS"], "a") as calls:
    print(" ".join(sys.argv[1:]), file=calls)
target = template.replace("%(ext)s", "mkv")
have = os.path.getsize(target + ".part") if os.path.exists(target + ".part") else 0
request = urllib.request.Request(url, headers={{"Range": f"bytes={{have}}-"}} if have else {{}})
try:
    with urllib.request.urlopen(request) as answer, open(target + ".part", "ab") as stream:
        while block := answer.read(1 << 12):
            stream.write(block)
            stream.flush()
            if "slow" in url and not have:
                print("under way", flush=True)
                open(os.environ["CALLS"] + ".started", "w").close()
                time.sleep(60)
except urllib.error.HTTPError as error:
    sys.exit(f"ERROR: [youtube] abcdefghijk: Video unavailable. HTTP Error {{error.code}}")
except OSError as error:
    sys.exit(f"ERROR: unable to download video data: {{error}}")
os.rename(target + ".part", target)
"""


def fake_yt_dlp(folder: Path) -> None:
    """Programs `yt-dlp` and `ffmpeg` in `folder`, to be put on the PATH."""
    for name, text in (("yt-dlp", YT_DLP.format(python=sys.executable)), ("ffmpeg", f"#!{sys.executable}\n")):
        program = folder / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)


def coordinates_video(path: Path, seconds: float, height: int, sound: np.ndarray | None = None) -> bytes:
    """A 16:9 video at 25 fps whose pixel (x, y) of frame i is red 255 x / width, green 255 y / height, blue i % 250."""
    width = height * 16 // 9
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.round(255 * np.arange(width) / width)
    picture[..., 1] = np.round(255 * np.arange(height) / height)[:, None]

    def frames() -> Iterator[np.ndarray]:
        for i in range(round(seconds * 25)):
            picture[..., 2] = i % 250
            yield picture.copy()

    write_lossless(path, frames(), audio=sound)
    return path.read_bytes()


def write_lists(folder: Path, groups: dict[str, dict[str, str]]) -> None:
    """HDTF's lists from texts by group and kind; missing ones are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in ("RD", "WDA", "WRA"):
        for kind in ("video_url", "annotion_time", "crop_wh", "resolution"):
            (folder / f"{group}_{kind}.txt").write_text(groups.get(group, {}).get(kind, ""), encoding="utf-8")
