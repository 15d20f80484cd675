"""One file per rival, `modes/<method>.py`, with two names for `tests.parity.check`.

`build(meta) -> dict[str, nn.Module]`: the modules named in `meta["modules"]`, sized by their `config`.
`MODES: dict[str, Mode]`: every mode of the sidecars. A mode takes `(modules, inputs, uses, params, align_corners)`:
    modules        what `build` made, filled and in eval mode
    inputs         role -> float32 tensor
    uses           role -> result of an earlier case
    params         scalars and lists of the case, null as None
    align_corners  {"grid_sample": bool | None, "interpolate": bool | None}
and returns all fields of the mode as a dict of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

Fields = dict[str, Tensor]
Mode = Callable[
    [Mapping[str, nn.Module], Mapping[str, Tensor], Mapping[str, Fields], Mapping[str, Any], Mapping[str, bool | None]],
    Fields,
]


def set_sampling(module: nn.Module, align_corners: Mapping[str, bool | None]) -> None:
    """Give the values of a case to every part that has a `sampling` (see `baselines.blocks.grids`)."""
    given = {name: value for name, value in align_corners.items() if value is not None}
    for part in module.modules():
        if hasattr(part, "sampling"):
            part.sampling = replace(part.sampling, **given)
