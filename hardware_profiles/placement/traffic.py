"""Packets and hops that a spike of each neuron causes, where a placement puts it.

A spike goes as one packet to each core that holds a neuron it reaches, its own core
included: no public source describes multicast on Loihi. Packets run east or west
first, then north or south, a hop from tile to tile; within a tile there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.errors import GraphError, ProfileError
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.demand import Network, read_network
from spikewright.hardware_profiles.placement.place import Placement
from spikewright.hardware_profiles.placement.reach import Projection, reach
from spikewright.nodes import IntArray

Traffic = Mapping[str, Mapping[str, IntArray]]
"""population -> "packets", "hops_ew", "hops_ns" -> (neurons,), of one spike of each;
what is unknown is absent"""
Masks = Mapping[int, npt.NDArray[np.bool_]]
"""core -> which neurons of a population reach it"""


@dataclass(frozen=True)
class Mesh:
    """How the cores of a chip lie: tile by tile, and tiles row by row from the west.

    Raises:
        ProfileError: a number is below 1.
    """

    columns: int
    rows: int
    cores_of_tile: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ProfileError(f"mesh: {name} is {value}; allowed: 1 or more")

    @property
    def cores(self) -> int:
        """Cores of a chip."""
        return self.columns * self.rows * self.cores_of_tile

    def tile_of(self, core: IntArray) -> tuple[IntArray, IntArray]:
        """Return column and row of the tiles of some cores."""
        row, column = np.divmod(core % self.cores // self.cores_of_tile, self.columns)
        return column, row


def spike_traffic(
    graph: Graph, placement: Placement, mesh: Mesh | None = None
) -> dict[str, dict[str, IntArray]]:
    """Return what one spike of each neuron sends between cores.

    Without a mesh there are packets only. Hops are absent, too, for an Input, since
    nothing says where the host sits, and for a population that reaches from one chip
    to another, since nothing says how far chips are apart. What the host reads of
    populations is no packet here.

    Args:
        graph: QUANTIZED, as it was placed.
        placement: of this graph.
        mesh: how the cores lie.

    Raises:
        GraphError: the placement is of another graph.
    """
    network = read_network(graph)
    homes = _homes(network, placement)
    sizes = {name: each.size for each in network.projections for name in [each.source]}
    found = {}
    for name in graph.populations():
        size = len(homes[name]) if name in homes else sizes.get(name, 0)
        masks = _reached(name, size, network, placement)
        packets = np.zeros(size, dtype=np.int64)
        for mask in masks.values():
            packets += mask
        found[name] = {"packets": packets}
        if mesh is not None and name in homes and _on_chip(masks, homes[name], mesh):
            found[name] |= _hops(masks, homes[name], mesh)
    return found


def _homes(network: Network, placement: Placement) -> dict[str, IntArray]:
    """Return the core of each neuron, by population."""
    homes = {
        name: np.full(each.neurons, -1) for name, each in network.residents.items()
    }
    for index, core in enumerate(placement.cores):
        for (name, _), rows in zip(core.holds, core.rows, strict=True):
            if name not in homes or rows.max(initial=0) >= len(homes[name]):
                raise GraphError(f"no population '{name}' like the one that was placed")
            homes[name][rows] = index
    for name, home in homes.items():
        if home.min(initial=0) < 0:
            raise GraphError(
                f"population '{name}': {np.count_nonzero(home < 0)} neurons lie in no "
                "core; place this graph"
            )
    return homes


def _reached(name: str, size: int, network: Network, placement: Placement) -> Masks:
    """Return which neurons of a population reach which core."""
    found: dict[int, npt.NDArray[np.bool_]] = {}
    leaving = [each for each in network.projections if each.source == name]
    for index, core in enumerate(placement.cores):
        for (target, _), rows in zip(core.holds, core.rows, strict=True):
            for each in leaving:
                if each.target == target:
                    mask = found.setdefault(index, np.zeros(size, dtype=np.bool_))
                    mask[_sources(each, rows)] = True
    return found


def _sources(projection: Projection, rows: IntArray) -> IntArray:
    return reach(projection, rows, by_place=False).sources


def _on_chip(masks: Masks, home: IntArray, mesh: Mesh) -> bool:
    """Say whether no packet leaves its chip."""
    chip = home // mesh.cores
    return all(
        bool((chip[mask] == core // mesh.cores).all()) for core, mask in masks.items()
    )


def _hops(masks: Masks, home: IntArray, mesh: Mesh) -> dict[str, IntArray]:
    column, row = mesh.tile_of(home)
    east_west, north_south = np.zeros_like(home), np.zeros_like(home)
    for core, mask in masks.items():
        there = mesh.tile_of(np.array(core))
        east_west += np.abs(column - there[0]) * mask
        north_south += np.abs(row - there[1]) * mask
    return {"hops_ew": east_west, "hops_ns": north_south}
