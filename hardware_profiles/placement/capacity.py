"""The gate of capacity: on how many cores and chips a network lies, or why on none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import Placement, place
from spikewright.hardware_profiles.placement.traffic import Mesh, Traffic, spike_traffic

CHIPS: Mapping[str, str] = MappingProxyType(
    {"loihi1": "loihi1", "loihi1_silicon": "loihi1", "loihi2": "loihi2"}
)
"""profile -> the chip whose limits are known"""
MESHES: Mapping[str, Mesh] = MappingProxyType({"loihi1": Mesh(8, 4, 4)})
"""32 tiles of 4 cores, 8 x 4: as SANA-FE's arch/loihi.yaml has them"""


@dataclass(frozen=True)
class Capacity:
    """How a network lies on a chip."""

    chip: str
    placement: Placement | None
    """None: only integers can be placed"""

    @property
    def fits(self) -> bool:
        """Whether it was placed and breaks no known limit."""
        return self.placement is not None and not self.placement.violations

    def __str__(self) -> str:
        """Say cores and chips, or why it does not fit."""
        if self.placement is None:
            return "not placed, since only a network in integers can be"
        cores, chips = len(self.placement.cores), self.placement.chips
        size = f"{cores} {_plural(cores, 'core')}, {chips} {_plural(chips, 'chip')}"
        if self.fits:
            return f"fits, {size}"
        first, *others = self.placement.violations
        more = f" (and {len(others)} more)" if others else ""
        return f"does not fit ({size} if it did): {first}{more}"


def check_capacity(graph: Graph, profiles: Iterable[str]) -> dict[str, Capacity]:
    """Place a graph once on each chip that one of the profiles is of, by chip."""
    chips = dict.fromkeys(CHIPS[each] for each in profiles if each in CHIPS)
    is_placed = graph.stage is Stage.QUANTIZED
    return {
        chip: Capacity(chip, place(graph, load_limits(chip)) if is_placed else None)
        for chip in chips
    }


def traffic_on(graph: Graph, capacity: Capacity) -> Traffic | None:
    """Return packets and hops of each neuron; None where the graph does not fit."""
    if not capacity.fits or capacity.placement is None:
        return None
    return spike_traffic(graph, capacity.placement, MESHES.get(capacity.chip))


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"
