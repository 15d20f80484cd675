import io

import pytest

from semo.progress import Progress, duration_text, progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_duration_text():
    assert [duration_text(s) for s in (0, 75, 3725)] == ["0:00", "1:15", "1:02:05"]


def test_rate_and_time_left_ignore_work_of_an_earlier_run():
    clock = Clock()
    state = Progress(100, "frames", "train", done=50, clock=clock)
    assert state.seconds_left is None
    clock.now = 10.0
    state.advance(20, loss=0.123456)
    assert state.rate == pytest.approx(2.0)
    assert state.seconds_left == pytest.approx(15.0)
    assert state.line() == "train: 70/100 frames  2.0 frames/s  0:15 left  loss 0.1235"


def test_plain_lines_are_sparse_and_the_last_one_is_always_there():
    out = io.StringIO()
    with progress(1000, unit="frames", label="write", stream=out) as p:
        for _ in range(1000):
            p.advance()
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 and lines[0].startswith("write: 1000/1000 frames")


def test_unknown_total_and_every_zero():
    out = io.StringIO()
    with progress(None, unit="clips", label="x", every=0.0, stream=out) as p:
        p.advance(3, note="ok")
    assert "x: 3 clips" in out.getvalue() and "note ok" in out.getvalue()


def test_an_error_leaves_a_line_and_passes_on():
    out = io.StringIO()
    with pytest.raises(KeyError), progress(2, stream=out, label="job"):
        raise KeyError("x")
    assert out.getvalue().rstrip().endswith("stopped")


def test_terminal_shows_a_live_line():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    with progress(4, unit="frames", label="live", stream=out) as p:
        p.advance(4)
    assert "live: 4/4 frames" in out.getvalue()
