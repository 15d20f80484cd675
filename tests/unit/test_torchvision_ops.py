"""torchvision is importable beside any torch, also after others have only looked whether it is installed."""

from __future__ import annotations

import subprocess
import sys


def test_imported_after_a_look_at_its_spec() -> None:
    program = "import semo, importlib.util as u; assert u.find_spec('torchvision'); import torchvision.models"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
