"""Lets torchvision be imported beside a torch build its compiled operators do not fit.

The wheel of the package registry is built for CUDA; beside a CPU-only torch its import stops at the missing schema of
`torchvision::nms`, and with it that of lpips, torchmetrics, transformers and diffusers. Its Python half needs only the
schemas. A finder watches for the first import of torchvision, so nothing is loaded before somebody asks for it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType

_DECLARED: list[object] = []  # a Library takes its schemas away when it is collected


class _Loader(importlib.abc.Loader):
    """Executes torchvision; where its operators are missing, once more with their schemas declared."""

    def __init__(self, inner: importlib.abc.Loader):
        self.inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.inner.exec_module(module)
        except RuntimeError as error:
            if "torchvision::nms does not exist" not in str(error):
                raise
            for name in [name for name in sys.modules if name.startswith("torchvision.")]:
                del sys.modules[name]
            _declare()
            self.inner.exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Stays on watch: other libraries look for torchvision's spec, perhaps long before anybody imports it."""

    searching = False

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != "torchvision" or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)


def install() -> None:
    """Watch for the import of torchvision, unless it is imported or watched already."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
