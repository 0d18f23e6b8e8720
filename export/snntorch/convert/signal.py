"""What flows in a graph under construction, and how torch's axes lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from spikewright.errors import GraphError
from spikewright.values import FloatArray, IntArray, Shape


class AxesError(GraphError):
    """The axes of a signal lie such that a node cannot take it."""


@dataclass(frozen=True)
class Source:
    """A node that sends a signal."""

    node: str
    lag: int = 0
    """1 if what it sent at the step before is meant"""
    is_sole: bool = True
    """nothing else takes what the node sends"""


@dataclass(frozen=True, eq=False)
class Signal:
    """The sum of what some nodes send, and of a constant."""

    sources: tuple[Source, ...]
    places: IntArray
    """of torch's shape, without samples: the flat place of each number in the graph"""
    shape: Shape
    """in the graph"""
    constant: FloatArray | None = None
    """of torch's shape; no node adds it yet"""
    is_spikes: bool = False
    """one source, and it sends 0 or 1"""

    @property
    def is_plain(self) -> bool:
        """Say whether torch's order is the graph's."""
        return is_in_order(self.places)

    @property
    def is_lagging(self) -> bool:
        """Say whether all of it is of the step before."""
        return all(source.lag for source in self.sources)

    def laid_out(self, values: FloatArray) -> FloatArray:
        """Return values, which fit torch's shape, as they lie in the graph."""
        flat = np.empty(self.places.size)
        flat[self.places.reshape(-1)] = np.broadcast_to(
            values, self.places.shape
        ).reshape(-1)
        return flat.reshape(self.shape)

    def shared(self) -> Signal:
        """Return the signal for one of several readers."""
        sources = tuple(replace(each, is_sole=False) for each in self.sources)
        return replace(self, sources=sources)

    def late(self, lag: int) -> Signal:
        """Return what the signal was `lag` steps ago."""
        sources = tuple(replace(each, lag=lag) for each in self.sources)
        return replace(self, sources=sources)

    def plus(self, constant: FloatArray | None) -> Signal:
        """Return the signal with a constant added."""
        if constant is None or not np.any(constant):
            return self
        total = np.broadcast_to(constant, self.places.shape)
        if self.constant is not None:
            total = self.constant + total
        return replace(self, constant=np.array(total), is_spikes=False)


def plain(source: Source, shape: Shape, *, is_spikes: bool = False) -> Signal:
    """Return the signal of a node whose axes lie as torch's do."""
    return Signal((source,), in_order(shape), shape, is_spikes=is_spikes)


def in_order(shape: Shape) -> IntArray:
    """Return places that lie as the axes say."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def is_in_order(places: IntArray) -> bool:
    """Say whether places count up."""
    return bool(np.array_equal(places.reshape(-1), np.arange(places.size)))


def channels_first(shape: Shape) -> tuple[IntArray, Shape]:
    """Return places and shape in a graph for torch's (tokens…, channels)."""
    made = (shape[-1], *shape[:-1])
    return np.moveaxis(in_order(made), 0, -1), made


def numbers(held: Any) -> FloatArray:
    """Return a tensor or number as float64, or float32 if it is; may share memory."""
    if isinstance(held, torch.Tensor):
        near = held.detach().cpu()
        if near.dtype in (torch.float32, torch.float64):
            return near.numpy()
        return (near.float() if near.is_floating_point() else near.double()).numpy()
    return np.asarray(held, dtype=np.float64)


def per_sample(held: Any, rank: int, where: str) -> FloatArray:
    """Return a constant operand without its samples axis, which must not matter.

    Raises:
        GraphError: it holds other values for other samples.
    """
    values = numbers(held).astype(np.float64)
    if values.ndim <= rank:
        return values
    if values.ndim > rank + 1 or np.any(values != values[:1]):
        raise GraphError(
            f"{where}: a constant of shape {values.shape} differs between samples; a "
            "graph has the same for all; make it one of its own shape without samples"
        )
    one: FloatArray = values[0]
    return one


def same_layout(signals: Sequence[Signal]) -> bool:
    """Say whether signals lie alike."""
    first = signals[0]
    return all(
        each.shape == first.shape and np.array_equal(each.places, first.places)
        for each in signals
    )


def summed(signals: Sequence[Signal]) -> Signal:
    """Add signals that lie alike."""
    sources = tuple(source for each in signals for source in each.sources)
    total = replace(signals[0], sources=sources, is_spikes=False)
    for each in signals[1:]:
        total = total.plus(each.constant)
    return total
