"""Nested graphs, spliced into the graph around them.

A node `lif` of a graph `block` becomes `block.lif`. The Input and the Output of a
nested graph are joints: signals pass through them, and then they are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikewright.errors import GraphError
from spikewright.export.graphs.order import Wire, back_edges, topological_order

_MOST = 2**53
"""the largest number of ways that a Scale can hold exactly"""


@dataclass(frozen=True)
class Level:
    """One graph of a file: the outermost, or one nested in it."""

    kinds: Mapping[str, str]
    """kind of its nodes, by path such as "block.lif" """
    edges: Sequence[Wire]

    def only(self, kind: str) -> str:
        """Return the path of the one node of a kind."""
        (path,) = (path for path, each in self.kinds.items() if each == kind)
        return path


Levels = Mapping[str, Level]
"""by path; the outermost is "" """


def check_ends(place: str, level: Level) -> None:
    """Raise `GraphError` unless a nested graph has one Input and one Output."""
    for kind in ("Input", "Output"):
        found = [path for path, each in level.kinds.items() if each == kind]
        if len(found) != 1:
            raise GraphError(
                f"node '{place}': a nested graph with {len(found)} {kind}s "
                f"({', '.join(found)}); allowed: one, for NIR has no way to say which "
                "an edge means; merge them, or flatten the graph before export"
            )


def joints(levels: Levels) -> list[str]:
    """Return the paths of the Inputs and Outputs of nested graphs."""
    return [
        level.only(kind)
        for place, level in levels.items()
        if place
        for kind in ("Input", "Output")
    ]


def flat_edges(levels: Levels) -> list[Wire]:
    """Return the edges of all graphs; those to or from a graph meet its joints.

    Edges are in the order of the file; those of a nested graph come behind the first
    edge into it.
    """
    nested = {place: level for place, level in levels.items() if place}
    entry = {place: level.only("Input") for place, level in nested.items()}
    leave = {place: level.only("Output") for place, level in nested.items()}
    edges: list[Wire] = []
    waiting = [iter(levels[""].edges)]
    while waiting:
        edge = next(waiting[-1], None)
        if edge is None:
            waiting.pop()
            continue
        source, target = edge
        edges.append((leave.get(source, source), entry.get(target, target)))
        if target in nested:
            waiting.append(iter(nested.pop(target).edges))
    return edges


def splice(edges: Sequence[Wire], joints: Sequence[str]) -> dict[Wire, int]:
    """Return the edges without joints, and by how many ways each comes about.

    All that arrives at a joint goes to all that it leads to. The order is that of the
    edges into each target.

    Raises:
        GraphError: joints alone close a loop, or the ways are beyond counting.
    """
    through = set(joints)
    arriving = _arriving(edges, joints)
    spliced: dict[Wire, int] = {}
    for source, target in edges:
        if target in through:
            continue
        ways = arriving[source] if source in through else {source: 1}
        for sender, count in ways.items():
            pair = (sender, target)
            spliced[pair] = spliced.get(pair, 0) + count
            if spliced[pair] > _MOST:
                raise GraphError(
                    f"edge {sender} -> {target}: leads through nested graphs by more "
                    "than 2**53 ways; flatten the graph before export"
                )
    return spliced


def _arriving(
    edges: Sequence[Wire], joints: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return who sends to each joint, and by how many ways."""
    through = set(joints)
    inner = [edge for edge in edges if through.issuperset(edge)]
    loops = sorted(back_edges(joints, inner, ()))
    if loops:
        raise GraphError(
            f"edge {' -> '.join(loops[0])}: closes a loop through nested graphs with "
            "nothing in it; put a neuron or a Delay into the loop"
        )
    senders: dict[str, list[str]] = {joint: [] for joint in joints}
    for source, target in edges:
        if target in through:
            senders[target].append(source)
    arriving: dict[str, dict[str, int]] = {}
    for joint in topological_order(joints, inner, ()):
        ways: dict[str, int] = {}
        for source in senders[joint]:
            for sender, count in arriving.get(source, {source: 1}).items():
                ways[sender] = ways.get(sender, 0) + count
        arriving[joint] = ways
    return arriving
