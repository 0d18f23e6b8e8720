"""Cut populations into pieces, each small enough for a core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewright.hardware_profiles.placement.demand import Network, Resident
from spikewright.hardware_profiles.placement.limits import Limits
from spikewright.hardware_profiles.placement.load import Load, piece_load
from spikewright.hardware_profiles.placement.reach import Projection, reach
from spikewright.nodes import IntArray

_ALONE = ("neurons", "synapse_bits", "input_axons", "profiles", "formats")
"""what a piece takes wherever the others lie; its output axons depend on its targets"""


@dataclass(frozen=True, eq=False)
class Piece:
    """Neurons of one population that lie in one core."""

    population: str
    rows: IntArray
    """places in the population, in the order of the core"""
    by_place: bool
    """the channels of a place follow each other, not the places of a channel"""
    load: Load


Pieces = Mapping[str, Sequence[Piece]]
"""by population"""


def cut_network(
    network: Network, limits: Limits, too_big: Mapping[str, frozenset[str]]
) -> dict[str, list[Piece]]:
    """Cut every population, greedily: each piece takes as many neurons as fit.

    Of the two orders, channel by channel and place by place, a population is cut in
    the one that needs fewer cores, or less memory if both need as many.

    Args:
        network: what lies on the chip.
        limits: those of the chip.
        too_big: by population, what a single neuron already takes too much of; the
            population is cut as if there were enough.
    """
    return {
        name: _cut(resident, network.into(name), limits, too_big[name])
        for name, resident in network.residents.items()
    }


def _cut(
    resident: Resident,
    arriving: Sequence[Projection],
    limits: Limits,
    too_big: frozenset[str],
) -> list[Piece]:
    found: list[list[Piece]] = []
    for by_place in _orders(resident):
        most = min(map(len, found), default=resident.neurons)
        pieces = _greedy(resident, arriving, limits, by_place, too_big, most)
        found += [pieces] if pieces is not None else []
    return min(
        found, key=lambda each: (len(each), sum(p.load.synapse_bits for p in each))
    )


def _orders(resident: Resident) -> tuple[bool, ...]:
    """Return the orders that differ: by place or not."""
    channels = resident.shape[0] if resident.shape else 1
    return (True, False) if 1 < channels < resident.neurons else (False,)


def _ordered(resident: Resident, by_place: bool) -> IntArray:
    places = np.arange(resident.neurons)
    if not by_place:
        return places
    return np.ascontiguousarray(places.reshape(resident.shape[0], -1).T).reshape(-1)


def _greedy(
    resident: Resident,
    arriving: Sequence[Projection],
    limits: Limits,
    by_place: bool,
    too_big: frozenset[str],
    most: int,
) -> list[Piece] | None:
    """Return the pieces, None if there are more than `most`."""
    order = _ordered(resident, by_place)
    resources = [each for each in _ALONE if each not in too_big]

    def load(rows: IntArray) -> Load:
        return piece_load(resident, arriving, rows, limits, by_place=by_place)

    pieces: list[Piece] = []
    start, guess = 0, limits.most("neurons") or 1
    while start < len(order):
        if len(pieces) == most:
            return None
        left = min(len(order) - start, limits.most("neurons") or 1)
        size = _largest(
            lambda n, at=start: load(order[at : at + n]).fits(limits, resources),  # type: ignore[misc]
            guess,
            left,
        )
        rows = order[start : start + size]
        pieces.append(Piece(resident.name, rows, by_place, load(rows)))
        start, guess = start + size, size
    return pieces


def _largest(fits: Callable[[int], bool], guess: int, most: int) -> int:
    """Return the largest number up to `most` that fits, 1 if none does.

    What fits is taken to fit with less, too. Neighboring pieces are often alike, so
    the search starts at `guess`.
    """
    fitting, failing = 0, most + 1
    for tried in (guess, guess + 1):
        if fitting < tried < failing:
            fitting, failing = (tried, failing) if fits(tried) else (fitting, tried)
    while failing - fitting > 1:
        tried = (fitting + failing) // 2
        fitting, failing = (tried, failing) if fits(tried) else (fitting, tried)
    return max(fitting, 1)


# --- output axons --------------------------------------------------------------------


def count_output_axons(network: Network, pieces: Pieces) -> dict[str, IntArray]:
    """Count the output axons of each neuron: one a projection and piece it reaches."""
    axons = {
        name: np.zeros(each.neurons, dtype=np.int64)
        for name, each in network.residents.items()
    }
    for each in network.projections:
        if each.source in axons:
            for piece in pieces[each.target]:
                found = reach(each, piece.rows, by_place=piece.by_place)
                axons[each.source][found.sources] += 1
    return axons


def spread_output_axons(
    network: Network, pieces: Pieces, limits: Limits
) -> dict[str, list[Piece]]:
    """Cut pieces further until each has few enough output axons; note these in loads.

    Smaller pieces are more targets, so their own sources may need more axons: repeated
    until nothing changes. A population is left as it is if one of its neurons alone
    has too many.
    """
    most = limits.most("output_axons")
    while True:
        axons = count_output_axons(network, pieces)
        finer = {
            name: [
                part
                for piece in each
                for part in _parts(network, piece, axons[name], limits)
            ]
            for name, each in pieces.items()
            if most is not None and axons[name].max(initial=0) <= most
        }
        if all(len(each) == len(pieces[name]) for name, each in finer.items()):
            return {name: _noted(pieces[name], axons[name]) for name in pieces}
        pieces = {**pieces, **finer}


def _parts(
    network: Network, piece: Piece, axons: IntArray, limits: Limits
) -> list[Piece]:
    """Cut a piece where its output axons, added up, would exceed the limit."""
    most = limits.most("output_axons") or 0
    if axons[piece.rows].sum() <= most:
        return [piece]
    starts, total = [0], 0
    for place, taken in enumerate(axons[piece.rows].tolist()):
        if total + taken > most:
            starts.append(place)
            total = 0
        total += taken
    resident = network.residents[piece.population]
    arriving = network.into(piece.population)
    parts = []
    for rows in np.split(piece.rows, starts[1:]):
        load = piece_load(resident, arriving, rows, limits, by_place=piece.by_place)
        parts.append(replace(piece, rows=rows, load=load))
    return parts


def _noted(pieces: Sequence[Piece], axons: IntArray) -> list[Piece]:
    return [
        replace(each, load=replace(each.load, output_axons=int(axons[each.rows].sum())))
        for each in pieces
    ]
