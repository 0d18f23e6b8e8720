"""The order of training rows: shuffled, but like lengths in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

POOL = 50
"""batches' worth of shuffled rows that are sorted by length among themselves"""


class LikeLengths(Sampler[int]):
    """Indices of rows; seed and epoch alone decide, so a resumed run goes on alike.

    Args:
        lengths: tokens of each row.
        batch: rows that all processes together read at once.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield every row once; the batch that is not full comes last."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self), generator=generator).tolist()
        pool = POOL * self.batch
        pools = [order[i : i + pool] for i in range(0, len(order), pool)]
        rows = [i for each in pools for i in sorted(each, key=self.lengths.__getitem__)]
        batches = [rows[i : i + self.batch] for i in range(0, len(rows), self.batch)]
        last = [batches.pop()] if len(batches[-1]) < self.batch else []
        shuffled = torch.randperm(len(batches), generator=generator).tolist()
        for batch in [*(batches[i] for i in shuffled), *last]:
            yield from batch
