"""Which populations have one neuron a channel and token, so that tokens can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from spikewright import nodes as n
from spikewright.counting_signals import Projection
from spikewright.graph import Graph
from spikewright.linear import ends, fan_out, to_sparse

Slots = Mapping[str, int | None]
"""tokens of each population, its last axis; 1: one place for all tokens; None: unknown,
or synapses disagree"""


def token_slots(graph: Graph, projections: Mapping[str, Projection]) -> Slots:
    """Say how many tokens each population has.

    Token and channel synapses tell it of both ends, elementwise synapses carry it from
    one end to the other. Nothing is guessed from sizes.
    """
    found: dict[str, set[int]] = {name: set() for name in graph.nodes}
    for each in projections.values():
        if isinstance(each.synapses, n.TokenSynapses | n.ChannelSynapses):
            taken, given = ends(each.synapses, math.prod(each.population.shape))
            found[each.source].add(taken[1])
            found[each.target].add(given[1])
    alike = [
        (each.source, each.target)
        for each in projections.values()
        if isinstance(each.synapses, n.DiagonalSynapses)
    ]
    while any(_share(found, *pair) for pair in alike):
        pass
    return {
        name: next(iter(sizes)) if len(sizes) == 1 else None
        for name, sizes in found.items()
    }


def _share(found: dict[str, set[int]], one: str, other: str) -> bool:
    """Let both ends know what either knows; say whether that was news."""
    both = found[one] | found[other]
    is_news = found[one] != found[other]
    found[one], found[other] = set(both), set(both)
    return is_news


def fan_outs(synapses: n.Synapses, size: int) -> tuple[n.IntArray, n.IntArray]:
    """Count the non-zero and the stored zero connections of each source, (size,)."""
    meets = fan_out(synapses, size)
    if np.count_nonzero(synapses.weight) == synapses.weight.size:
        return meets, np.zeros_like(meets)
    return meets, _stored_fan_out(synapses, size) - meets


def _stored_fan_out(synapses: n.Synapses, size: int) -> n.IntArray:
    """Count all connections that are stored; all targets of a place are alike."""
    match synapses:
        case n.DenseSynapses():
            return np.full(size, len(synapses.weight))
        case n.ChannelSynapses():
            return np.full(size, synapses.weight.shape[1])
        case n.TokenSynapses():
            one = replace(synapses, weight=synapses.weight[:, :1])
            fans: n.IntArray = fan_out(_stored(one), size) * synapses.weight.shape[1]
            return fans
        case _:
            return fan_out(_stored(synapses), size)


def _stored(synapses: n.Synapses) -> n.Synapses:
    return replace(synapses, weight=np.ones_like(synapses.weight))


def fan_outs_by_token(
    synapses: n.Synapses, size: int, tokens: int
) -> tuple[n.IntArray, n.IntArray]:
    """Count the same by the token of the target, (size, tokens) each."""
    meets = _by_token(synapses, size, tokens)
    return meets, _by_token(_stored(synapses), size, tokens) - meets


def _by_token(synapses: n.Synapses, size: int, tokens: int) -> n.IntArray:
    meets = synapses.weight != 0
    match synapses:
        case n.DenseSynapses():
            summed: n.IntArray = meets.reshape(-1, tokens, size).sum(axis=0)
            return summed.T
        case n.ChannelSynapses():
            turned: n.IntArray = meets.transpose(0, 2, 1).astype(np.int64)
            return turned.reshape(size, tokens)
        case n.SparseSynapses():
            sources, targets = synapses.sources[meets], synapses.targets[meets]
        case _:
            single = to_sparse(synapses, size)
            sources, targets = single.sources, single.targets
    place = sources * tokens + targets % tokens
    found: n.IntArray = np.bincount(place, minlength=size * tokens)
    return found.reshape(size, tokens)
