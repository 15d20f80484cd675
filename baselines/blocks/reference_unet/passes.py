"""What the blocks of a U-Net are told in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from baselines.blocks.reference_unet.banks import Banks


@dataclass(frozen=True)
class Audio:
    """Sound for Hallo's hierarchical audio attention.

    tokens: (B or 1, F, T, D), T tokens per frame; the blocks get (B * F, T, D)
    masks: per level (3, L) for all rows or (B, 3, L), L positions: where the whole frame, the face and the lips listen
    scale: weights of the three (the originals call them pose, face and lip weight)
    """

    tokens: Tensor
    masks: Sequence[Tensor]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass
class Pass:
    """One pass of `rows` x `frames` pictures, folded into the batch in this order (frames fastest).

    embedding: (rows, 4 * widths[0]) of the timestep
    tokens: (rows, T, D) shared by the frames of a row, or (rows * frames, T, D)
    token_scale: factor on the cross-attention to them
    still: single frames without sound: motion modules and Hallo's audio attention are left out
    banks, alone: stored positions, and the rows (rows,) that do not read them
    store: slots that write their norm1 output to `written`; the pass ends with slot `last`, of a reference pass
    """

    rows: int = 1
    frames: int = 1
    embedding: Tensor | None = None
    tokens: Tensor | None = None
    token_scale: float = 1.0
    still: bool = False
    banks: Banks | None = None
    alone: Tensor | None = None
    audio: Audio | None = None
    store: frozenset[int] = frozenset()
    last: int | None = None
    written: dict[int, Tensor] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether all is stored that is to be stored."""
        return self.last in self.written
