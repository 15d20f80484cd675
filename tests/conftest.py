"""Settings every test shares. Torch and numba read them when they are imported, so they are set before any test is."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # several workers share the cores: more threads each only slow the others down
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402

import semo  # noqa: E402, F401  before any test imports torchvision, which it may have to help


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch with one thread, whatever a test before has set: sums are added up in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
