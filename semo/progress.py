"""One progress reporter for every long job: a live line on a terminal, sparse plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

BAR_CELLS = 24


def duration_text(seconds: float) -> str:
    """`75` -> `1:15`, `3725` -> `1:02:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _count(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


class Progress:
    """Counts units of work; `advance` is cheap enough for an inner loop.

    `done` > 0 means work finished by an earlier run: it counts towards the total, not towards the rate.
    """

    def __init__(self, total: int | None, unit: str, label: str, done: int = 0,
                 clock: Callable[[], float] = time.monotonic):
        self.total, self.unit, self.label = total, unit, label
        self.done = self._first = done
        self.values: dict[str, object] = {}
        self._clock = clock
        self._start = clock()
        self._show: Callable[[], None] = lambda: None

    def advance(self, n: int = 1, **values: object) -> None:
        """Add `n` finished units; `values` (numbers or short strings) stay on the line until replaced."""
        self.done += n
        self.values.update(values)
        self._show()

    @property
    def seconds(self) -> float:
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """Units per second of this run, 0 before the first one."""
        return (self.done - self._first) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or self.done <= self._first:
            return None
        return max(0, self.total - self.done) / self.rate

    def line(self) -> str:
        """The whole state in one line of plain text."""
        count = f"{self.done}/{self.total}" if self.total is not None else f"{self.done}"
        parts = [f"{self.label}: {count} {self.unit}"]
        if self.done > self._first:
            parts.append(f"{_count(self.rate)} {self.unit}/s")
        left = self.seconds_left
        if left is not None and self.done < (self.total or 0):
            parts.append(f"{duration_text(left)} left")
        else:
            parts.append(f"{duration_text(self.seconds)} used")
        parts += [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                  for name, value in self.values.items()]
        return "  ".join(parts)

    def __rich__(self) -> Text:
        text = Text(self.line(), no_wrap=True, overflow="ellipsis")
        if self.total:
            filled = round(BAR_CELLS * min(1.0, self.done / self.total))
            text = Text("━" * filled, style="green") + Text("━" * (BAR_CELLS - filled) + " ", style="dim") + text
        return text


@contextmanager
def progress(total: int | None, unit: str = "items", label: str = "", done: int = 0, every: float = 5.0,
             stream: TextIO | None = None) -> Iterator[Progress]:
    """Report progress on `stream` (default stderr) while the block runs.

    On a terminal one live line; otherwise a plain line at most every `every` seconds, and always the last one.
    `total` None means unknown. Use: `with progress(100, unit="frames", label="write") as p: p.advance(1, psnr=30.1)`.
    """
    stream = stream or sys.stderr
    state = Progress(total, unit, label, done)
    if hasattr(stream, "isatty") and stream.isatty():
        with Live(state, console=Console(file=stream), refresh_per_second=8):
            yield state
        return
    last, printed = state.seconds, -1

    def show() -> None:
        nonlocal last, printed
        now = state.seconds
        if now - last >= every:
            last, printed = now, state.done
            print(state.line(), file=stream, flush=True)

    state._show = show
    try:
        yield state
    except BaseException:
        print(state.line() + "  stopped", file=stream, flush=True)
        raise
    if state.done != printed:
        print(state.line(), file=stream, flush=True)
