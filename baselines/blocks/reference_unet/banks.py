"""What a reference pass hands to the denoising passes of a clip."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Banks:
    """Inputs of the self-attentions (norm1 outputs) of a reference pass, one entry per transformer block.

    Entries are in module order (down, up, middle), (R, S, L, C): R rows, the batch of the denoising pass or 1 for all
    rows alike; S pictures, first the portrait, then the motion frames; L positions of the level; C its width. None
    where a block stores nothing; the block that reads attends only to itself there.
    """

    entries: tuple[Tensor | None, ...]

    @property
    def rows(self) -> int:
        return len(self.stored()[0])

    def portrait(self, slot: int) -> Tensor | None:
        """(R, L, C) of the portrait: what the self-attention of block `slot` reads."""
        entry = self.entries[slot]
        return None if entry is None else entry[:, 0]

    def motion(self, slot: int) -> Tensor | None:
        """(R, S - 1, L, C) of the motion frames, None without any: what goes before the window in the motion module."""
        entry = self.entries[slot]
        return None if entry is None or entry.shape[1] == 1 else entry[:, 1:]

    def stored(self) -> list[Tensor]:
        """The entries that there are, in module order."""
        return [entry for entry in self.entries if entry is not None]
