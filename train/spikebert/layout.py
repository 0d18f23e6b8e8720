"""Where the tokens of a batch lie: real ones in a row, or by sample and place."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from spikewright.errors import InputError


@dataclass(frozen=True)
class Layout:
    """The real tokens of a padded batch.

    In a row they are (steps, tokens, channels), without padding, so that no padding
    can change a rounding; in places (steps, samples, longest, channels), zero after
    the end of a sample.
    """

    columns: torch.Tensor
    """index of each real token in the flattened padded batch, (tokens,)"""
    sample: torch.Tensor
    """sample of each real token, (tokens,)"""
    place: torch.Tensor
    """place of each real token among those of its sample, (tokens,)"""
    lengths: torch.Tensor
    """real tokens of each sample, (samples,)"""
    longest: int

    def in_places(self, row: torch.Tensor) -> torch.Tensor:
        """Spread (steps, tokens, channels) to (steps, samples, longest, channels)."""
        samples, (steps, _, width) = len(self.lengths), row.shape
        if self._is_full():
            return row.reshape(steps, samples, self.longest, width)
        flat = row.new_zeros((steps, samples * self.longest, width))
        flat = flat.index_copy(1, self._index(), row)
        return flat.view(steps, samples, self.longest, width)

    def in_a_row(self, places: torch.Tensor) -> torch.Tensor:
        """Collect (steps, samples, longest, channels) to (steps, tokens, channels)."""
        flat = places.flatten(1, 2)
        return flat if self._is_full() else flat.index_select(1, self._index())

    @functools.cached_property
    def rows(self) -> torch.Tensor:
        """Return the row of each place, -1 where there is none, (samples, longest)."""
        rows = torch.full_like(self.lengths, -1)[:, None].repeat(1, self.longest)
        rows[self.sample, self.place] = torch.arange(len(self.place)).to(rows)
        return rows

    def _is_full(self) -> bool:
        return len(self.place) == len(self.lengths) * self.longest

    def _index(self) -> torch.Tensor:
        return self.sample * self.longest + self.place


def lay_out(mask: torch.Tensor) -> Layout:
    """Return the layout of a mask, (samples, tokens), True where a token is real.

    Raises:
        InputError: a sample has no token.
    """
    lengths = mask.sum(dim=1)
    if not bool(lengths.all()) or not len(lengths):
        raise InputError("a sentence holds no token; give at least one word")
    columns = mask.flatten().nonzero()[:, 0]
    place = (mask.cumsum(dim=1) - 1).flatten()[columns]
    return Layout(
        columns=columns,
        sample=columns // mask.shape[1],
        place=place,
        lengths=lengths,
        longest=int(lengths.max()),
    )
