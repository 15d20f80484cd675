"""Headless Chromium over the DevTools pipe: no driver, no socket, no package, and nothing but files to look at."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--metrics-recording-only",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--proxy-server=127.0.0.1:9",  # a request to any host fails and is seen
)
# The browser reads commands from file 3 and writes answers to file 4: this puts the pipes there.
START = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for place, pipe in zip((3, 4), pipes):
    os.dup2(pipe, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0  # seconds; machines that run tests are often busy


def find() -> str | None:
    """The program, from SEMO_CHROMIUM or the search path; None where there is none."""
    named = os.environ.get("SEMO_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page in one browser. `problems` collects errors of the console, `requests` every address asked for."""

    def __init__(self, program: str, profile: Path):
        root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        pipes = (str(to_browser), str(from_browser))
        options = (*FLAGS, *root, f"--user-data-dir={profile}")
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", START, *pipes, program, *options, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session = b"", 0, None
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.until(self._first_page, "no page opened")
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self._call(f"{domain}.enable")
        self._call("Performance.enable", timeDomain="threadTicks")

    def close(self) -> None:
        try:
            self._session = None
            self._send("Browser.close")
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(10)
        os.close(self._in)
        os.close(self._out)

    def open(self, page: Path) -> None:
        """Load a file and wait until it and its scripts are there."""
        self._call("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited. Raises AssertionError where it throws."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until a JavaScript expression is true."""
        self.until(lambda: self.evaluate(f"Boolean({expression})"), f"never true: {expression}")

    def until(self, condition: Callable[[], Any], message: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, message
            time.sleep(0.05)
        return found

    def press(self, key: str, code: int, text: str = "") -> None:
        """One stroke of a key, as from a keyboard."""
        about = {"key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self._call("Input.dispatchKeyEvent", type="keyDown", **about)
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window, and whether the system is dark."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, out: Path, whole: bool = False) -> bytes:
        """PNG of the window, or of the whole page."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        picture = base64.b64decode(answer["data"])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(picture)
        return picture

    def work(self) -> float:
        """Processor seconds the page's own thread has spent since it was loaded, scripts and layout included."""
        metrics = self._call("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    def accessible(self) -> list[dict[str, Any]]:
        """What a screen reader is told: role, name and properties of every node it does not skip."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": n.get("role", {}).get("value", ""), "name": n.get("name", {}).get("value", "")}
            for n in nodes
            if not n.get("ignored")
        ]

    def _first_page(self) -> str | None:
        found = self._call("Target.getTargets")["targetInfos"]
        return next((t["targetId"] for t in found if t["type"] == "page"), None)

    def _send(self, method: str, **parameters: Any) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._number

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number, end = self._send(method, **parameters), time.monotonic() + PATIENCE
        while True:
            message = self._read(end - time.monotonic(), method)
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _read(self, patience: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, patience))
            assert ready, f"the browser does not answer {method}"
            piece = os.read(self._in, 1 << 20)
            assert piece, f"the browser ended during {method}"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def _note(self, message: dict[str, Any]) -> None:
        method, about = message.get("method", ""), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(a.get("value", a.get("description"))) for a in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
