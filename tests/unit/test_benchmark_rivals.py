"""The benchmark of the rivals, at toy size: both ways agree and every column is filled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_rows_of_two_rivals(tmp_path: Path) -> None:
    out = tmp_path / "rivals.tsv"
    command = [sys.executable, "benchmarks/rivals.py", "--methods", "fomm", "lia", "--size", "mini", "--frames", "3"]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in out.read_text().splitlines()]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["method"] for row in found] == ["fomm", "lia"]
    for row in found:
        assert row["weights"] == "random, seed 0"
        assert int(row["largest_difference"]) <= 1
        assert all(float(row[name]) > 0 for name in ("parameters_m", "fast_ms", "plain_ms", "ratio", "peak_mib"))
